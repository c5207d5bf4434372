"""Cross-validation of a way of training on a dataset version, fold by fold.

Each fold is a training of its own: killed, it is resumed; finished, its scores are
read. Its network is not kept as a model: what is judged is the way of training, on all
rows that may judge instead of one split.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from astrid_assets.science.settings import Settings
from astrid_assets.steps import versions
from astrid_assets.steps.learning.evaluate import (
    JudgedModel,
    evaluate_scores,
    groups_of_rows,
    keep_evaluation,
    scores_of_rows,
    survey_scores,
)
from astrid_assets.steps.learning.evaluation_pictures import evaluation_pictures
from astrid_assets.steps.learning.freezing import weights_of_rows
from astrid_assets.steps.learning.settings import CollectionSettings
from astrid_assets.steps.learning.train import train_arrays
from astrid_assets.storage.database import ids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from astrid_assets.learning.evaluation import Metric
    from astrid_assets.learning.folds import Fold
    from astrid_assets.learning.ranking import Ranking
    from astrid_assets.learning.settings import ThresholdSettings, TrainingSettings
    from astrid_assets.steps.learning.opening import DatasetArrays
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import ModelEvaluation

log = logging.getLogger(__name__)

WEIGHED_BY = ("survey_score_weight", "unreviewed_weight", "min_class_weight")
"""Settings of a collection that say what a row counts in training."""


class FoldSettings(Settings):
    """How a dataset version is cut into folds."""

    folds: int = Field(default=5, ge=2, le=20, description="trainings, each judging one part")
    temporal: bool = Field(
        default=False, description="judge later nights with what was known before"
    )
    seed: int = Field(default=1, ge=0, description="of the folds")


@dataclass(frozen=True)
class FoldScores:
    """The scores that one fold's network gave the rows that it judges."""

    fold: Fold
    scores: NDArray[np.float64]
    threshold: float
    seconds: float


@dataclass(frozen=True)
class CrossValidation:
    """Pooled scores of all folds, judged, and each fold's own ranking."""

    row: ModelEvaluation
    judged: JudgedModel
    folds: list[FoldScores]
    rankings: dict[str, Ranking]


def cross_validate(
    tools: Tools,
    arrays: DatasetArrays,
    training: TrainingSettings,
    settings: FoldSettings,
    work_folder: Path,
    *,
    target: ThresholdSettings | None = None,
    metrics: Mapping[str, Metric] | None = None,
    on_fold: Callable[[FoldScores], None] | None = None,
) -> CrossValidation:
    """Train once per fold and judge every row by a network that did not see its group.

    Parameters
    ----------
    work_folder
        Below it each fold keeps its checkpoints and scores.
    target
        What the threshold of each fold is chosen for, on its own val rows.
    metrics
        Numbers of one's own by name, of the pooled scores.
    on_fold
        Called as each fold is finished.

    Raises
    ------
    CannotFold
        If a class has too few groups, or there are too few nights.
    """
    from astrid_assets.learning.metrics.curves import curves_of
    from astrid_assets.learning.ranking import rank
    from astrid_assets.learning.settings import WHERE_IT_RUNS

    asked: dict[str, object] = {
        "folds": settings.model_dump(mode="json"),
        "training": training.model_dump(mode="json", exclude=set(WHERE_IT_RUNS)),
        "target": None if target is None else target.model_dump(mode="json"),
    }
    digest = ids.content_hash([versions.TRAIN, versions.EVALUATE, arrays.row.content_hash, asked])
    home = work_folder / "folds" / digest[:16]
    done: list[FoldScores] = []
    for number, fold in enumerate(folds_of(arrays, settings), start=1):
        done.append(_judged_by_fold(arrays, training, fold, target, home / f"fold_{number}"))
        log.info("%s: %d rows judged", fold.name, len(fold.judged))
        if on_fold is not None:
            on_fold(done[-1])
    rows = np.concatenate([part.fold.judged for part in done])
    scores = np.concatenate([part.scores for part in done])
    threshold = float(np.median([part.threshold for part in done]))
    others = survey_scores(tools, arrays, rows)
    evaluation = evaluate_scores(
        tools, arrays, rows, scores, threshold, baselines=others, metrics=metrics
    )
    labels = arrays.is_real[rows]
    snr = np.abs(arrays.samples["score_sigma"].to_numpy()[rows])
    drawn = {name: others[name] for name in evaluation.baselines}
    curves = curves_of(scores, labels, {"S/N": snr} | drawn)
    judged = JudgedModel(
        evaluation, curves, rows, scores, pictures=evaluation_pictures(evaluation, curves)
    )
    rankings = {
        part.fold.name: rank(
            part.scores, arrays.is_real[part.fold.judged], groups_of_rows(arrays, part.fold.judged)
        ).ranking
        for part in done
    }
    names = np.repeat([part.fold.name for part in done], [len(part.scores) for part in done])
    row = keep_evaluation(
        tools,
        judged,
        arrays,
        kind="folds_by_time" if settings.temporal else "folds",
        settings=asked,
        columns={"fold": names.tolist()},
        extra={
            "folds": [
                {
                    "name": part.fold.name,
                    "train": len(part.fold.train),
                    "val": len(part.fold.val),
                    "judged": len(part.fold.judged),
                    "left_out": part.fold.left_out,
                    "threshold": part.threshold,
                    "seconds": part.seconds,
                    **asdict(rankings[part.fold.name]),
                }
                for part in done
            ]
        },
    )
    return CrossValidation(row, judged, done, rankings)


def folds_of(arrays: DatasetArrays, settings: FoldSettings) -> list[Fold]:
    """Return the folds of a dataset version: groups stay together.

    What its collection took for training only judges nothing here, either.
    """
    from astrid_assets.learning.folds import folds_by_group, folds_by_time

    groups, labels = groups_of_rows(arrays), arrays.is_real
    may_judge = ~arrays.samples["train_only"].to_numpy()
    if not settings.temporal:
        return folds_by_group(groups, labels, may_judge, settings.folds, settings.seed)
    nights = arrays.samples["night"].to_numpy().astype(str)
    return folds_by_time(nights, groups, labels, may_judge, settings.folds, settings.seed)


def _judged_by_fold(
    arrays: DatasetArrays,
    training: TrainingSettings,
    fold: Fold,
    target: ThresholdSettings | None,
    folder: Path,
) -> FoldScores:
    """Train (or go on, or read what is finished) and score what the fold judges."""
    from astrid_assets.learning.export import to_onnx
    from astrid_assets.learning.inference import OnnxScorer
    from astrid_assets.learning.metrics.targets import choose_threshold
    from astrid_assets.learning.training import train

    kept = folder / "judged.json"
    if kept.exists():
        known = json.loads(kept.read_text("utf-8"))
        return FoldScores(fold, np.array(known["scores"]), known["threshold"], known["seconds"])
    # What neither trains nor chooses stands on the third side, and is not read.
    split = np.full(len(arrays.samples), "test", dtype="<U5")
    split[fold.train], split[fold.val] = "train", "val"
    trained = train(
        arrays.stamps,
        replace(train_arrays(arrays), split=split, weights=_weights(arrays, split == "train")),
        training,
        folder,
    )
    # The same form as a model that is deployed.
    scorer = OnnxScorer(to_onnx(trained.network, trained.calibration, arrays.stamps.size))
    chosen = choose_threshold(
        scores_of_rows(scorer, arrays, fold.val), arrays.is_real[fold.val], target
    )
    scores = scores_of_rows(scorer, arrays, fold.judged)
    part = folder / "judged.part"
    part.write_text(
        json.dumps(
            {
                "scores": scores.tolist(),
                "threshold": chosen.threshold,
                "seconds": trained.cost.seconds,
            }
        ),
        "utf-8",
    )
    part.replace(kept)
    return FoldScores(fold, scores, chosen.threshold, trained.cost.seconds)


def _weights(arrays: DatasetArrays, trains: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return what each row counts in a fold: by the rules of the collection, for its rows."""
    asked = arrays.row.collection_params
    rules = CollectionSettings.model_validate(
        {name: asked[name] for name in WEIGHED_BY if name in asked}
    )
    source = arrays.samples["source"].to_numpy().astype(str)
    return weights_of_rows(source, arrays.is_real, trains, rules).astype(np.float32)
