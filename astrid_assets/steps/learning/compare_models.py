"""A baseline trained beside a model, and models ranked against each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.steps import versions
from astrid_assets.steps.learning.evaluate import groups_of_rows, open_scorer, scores_of_rows
from astrid_assets.steps.learning.train import train_arrays
from astrid_assets.storage.database import ids

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from astrid_assets.learning.evaluation import Comparison
    from astrid_assets.learning.ranking import Ranking
    from astrid_assets.learning.settings import TrainingSettings
    from astrid_assets.steps.learning.opening import DatasetArrays
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import Model

    Rows = NDArray[np.int64]


@dataclass(frozen=True)
class RankedModel:
    """A model among others on the same rows; `behind`: how far the best one is ahead."""

    model: Model
    ranking: Ranking
    behind: Comparison | None


def rank_models(
    tools: Tools, models: Sequence[Model], arrays: DatasetArrays, rows: Rows
) -> list[RankedModel]:
    """Return models by ROC AUC on the same rows, the best first, each compared with it.

    Parameters
    ----------
    rows
        Rows that no model's training saw.
    """
    from astrid_assets.learning.evaluation import compare
    from astrid_assets.learning.ranking import rank

    labels, groups = arrays.is_real[rows], groups_of_rows(arrays, rows)
    scored = [(model, scores_of_rows(open_scorer(tools, model), arrays, rows)) for model in models]
    ranked = sorted(
        ((rank(scores, labels, groups).ranking, model, scores) for model, scores in scored),
        key=lambda entry: -entry[0].roc_auc.value,
    )
    return [
        RankedModel(
            model, ranking, compare(ranked[0][2], scores, labels, groups) if place else None
        )
        for place, (ranking, model, scores) in enumerate(ranked)
    ]


def baseline_scores(
    arrays: DatasetArrays, rows: Rows, settings: TrainingSettings, work_folder: Path
) -> NDArray[np.float64]:
    """Return the scores of a small CNN trained on the same train split by the same loop.

    Parameters
    ----------
    rows
        Rows to score.
    settings
        Settings of the U-Net's training; what the CNN needs otherwise is changed.
    work_folder
        Below it the training is kept and resumed.
    """
    from astrid_assets.learning.baseline import baseline_settings
    from astrid_assets.learning.export import to_onnx
    from astrid_assets.learning.inference import OnnxScorer
    from astrid_assets.learning.settings import WHERE_IT_RUNS
    from astrid_assets.learning.training import train

    small = baseline_settings(settings)
    asked = small.model_dump(mode="json", exclude=set(WHERE_IT_RUNS))
    digest = ids.content_hash([versions.TRAIN, arrays.row.content_hash, asked])
    trained = train(
        arrays.stamps,
        train_arrays(arrays),
        small,
        work_folder / "baselines" / digest[:16],
    )
    content = to_onnx(trained.network, trained.calibration, arrays.stamps.size)
    return scores_of_rows(OnnxScorer(content), arrays, rows)
