"""Judge a stored model on rows of a dataset version that its training never saw.

What was found is kept: numbers in the catalogue, the score of each row as a table and
the pictures in the store. Asked for again with the same settings, it replaces itself.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from sqlalchemy import select

from astrid_assets.pictures.plots import training_curves
from astrid_assets.steps import versions
from astrid_assets.steps.learning.cutout_version import refuse_other_cutouts
from astrid_assets.steps.learning.evaluation_pictures import evaluation_pictures, gallery_rows
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection
from astrid_assets.storage.database.tables.frames import PreprocessRun
from astrid_assets.storage.database.tables.learning import ModelEvaluation
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.objects import layout
from astrid_assets.storage.queries.observations import in_chunks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from astrid_assets.learning.evaluation import Evaluation, Metric
    from astrid_assets.learning.inference import OnnxScorer
    from astrid_assets.learning.metrics.curves import Curves
    from astrid_assets.learning.metrics.pixels import PixelEvaluation
    from astrid_assets.steps.learning.opening import DatasetArrays
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import Model

    Scores = NDArray[np.float64]
    Rows = NDArray[np.int64]

SCORED_AT_ONCE = 1024
"""Cutouts in memory while a split is scored."""

PIXELS_AT_ONCE = 256
SURVEYS_OWN = ("rb", "drb")
"""Scores of a survey's own networks that come with its alerts: baselines, never labels."""


@dataclass(frozen=True)
class JudgedModel:
    """An evaluation with what it was made of.

    Attributes
    ----------
    rows, scores : (n,)
        Rows of the version, and their scores.
    pixels
        None where the network draws no masks.
    pictures
        PNG bytes by name.
    """

    evaluation: Evaluation
    curves: Curves
    rows: Rows
    scores: Scores
    pixels: PixelEvaluation | None = None
    pictures: dict[str, bytes] = field(default_factory=dict)

    def metrics(self) -> dict[str, object]:
        """Return the form kept in the catalogue's JSON column."""
        return self.evaluation.as_dict() | {
            "curves": self.curves.as_dict(),
            "pixels": None if self.pixels is None else asdict(self.pixels),
        }


def judge_model(
    tools: Tools,
    model: Model,
    arrays: DatasetArrays,
    rows: Rows | None = None,
    *,
    baselines: Mapping[str, Scores] | None = None,
    metrics: Mapping[str, Metric] | None = None,
) -> JudgedModel:
    """Judge a stored model: numbers, curves, pixels and pictures.

    Parameters
    ----------
    rows
        Rows of the version to judge it on; None: its whole test split.
    baselines
        Other rankings of those rows by name, (k,) each.
    metrics
        Numbers of one's own by name.
    """
    from astrid_assets.learning.metrics.curves import curves_of

    rows = arrays.indices("test") if rows is None else rows
    scorer = open_scorer(tools, model)
    scores = scores_of_rows(scorer, arrays, rows)
    others = survey_scores(tools, arrays, rows) | dict(baselines or {})
    evaluation = evaluate_scores(
        tools, arrays, rows, scores, model.threshold, baselines=others, metrics=metrics
    )
    labels, snr = arrays.is_real[rows], np.abs(arrays.samples["score_sigma"].to_numpy()[rows])
    drawn = {name: others[name] for name in evaluation.baselines}
    curves = curves_of(scores, labels, {"S/N": snr} | drawn)
    shown = gallery_rows(scores, labels, model.threshold)
    pictures = evaluation_pictures(evaluation, curves) | {
        name: _sheet(scorer, arrays, rows[some], scores[some]) for name, some in shown.items()
    }
    pixels = _pixels(scorer, arrays, rows)
    return JudgedModel(evaluation, curves, rows, scores, pixels, pictures)


def with_training_curves(
    judged: JudgedModel, history: Sequence[Mapping[str, float]]
) -> JudgedModel:
    """Return an evaluation with the curves of its model's training among its pictures."""
    if not history:
        return judged
    return replace(judged, pictures=judged.pictures | {"training": training_curves(history)})


def keep_evaluation(
    tools: Tools,
    judged: JudgedModel,
    arrays: DatasetArrays,
    *,
    kind: str,
    settings: dict[str, object],
    model: Model | None = None,
    columns: Mapping[str, Sequence[object]] | None = None,
    extra: Mapping[str, object] | None = None,
) -> ModelEvaluation:
    """Keep an evaluation: its row, its scores and its pictures.

    Parameters
    ----------
    kind
        ``split``, ``folds`` or ``folds_by_time``.
    settings
        Part of its identity.
    columns
        What else is known of each judged row.
    extra
        Further numbers beside those of the evaluation.
    """
    asked = ids.content_hash([versions.EVALUATE, settings])
    evaluation_id = ids.evaluation_id(kind, model.id if model else "", arrays.row.id, asked)
    samples = arrays.samples[judged.rows]
    table = pl.DataFrame(
        {
            "detection_id": samples["detection_id"],
            "survey": samples["survey"],
            "night": samples["night"],
            "label": samples["label"],
            "score_sigma": samples["score_sigma"],
            "score": judged.scores,
            **(columns or {}),
        }
    )
    buffer = io.BytesIO()
    table.write_parquet(buffer)

    def put(what: str, content: bytes, ending: str) -> str:
        return tools.store.put(layout.evaluation_key(evaluation_id, what), content, ending)

    row = ModelEvaluation(
        id=evaluation_id,
        kind=kind,
        model_id=model.id if model else None,
        dataset_id=arrays.row.id,
        settings=settings,
        metrics=judged.metrics() | dict(extra or {}),
        scores_key=put("scores", buffer.getvalue(), ".parquet"),
        pictures={name: put(name, png, ".png") for name, png in judged.pictures.items()},
        created_at=now(),
    )
    with tools.catalogue.begin() as session:
        upsert(session, [row])
        return session.get_one(ModelEvaluation, evaluation_id)


def open_scorer(tools: Tools, model: Model) -> OnnxScorer:
    """Return a stored model, ready to score.

    Raises
    ------
    UnusableModel
        If its file is none that is used, or it takes other cutouts than are made now.
    """
    from astrid_assets.learning.inference import OnnxScorer

    refuse_other_cutouts(model)
    return OnnxScorer(tools.store.get(model.onnx_key))


def scores_of_rows(scorer: OnnxScorer, arrays: DatasetArrays, rows: Rows) -> Scores:
    """Return the scores of rows, some cutouts at a time: a split may be gigabytes."""
    parts = [
        scorer.score(arrays.images(some), arrays.measurements(some))
        for some in (
            rows[start : start + SCORED_AT_ONCE] for start in range(0, len(rows), SCORED_AT_ONCE)
        )
    ]
    return np.concatenate([np.empty(0), *parts]).astype(np.float64)


def evaluate_scores(
    tools: Tools,
    arrays: DatasetArrays,
    rows: Rows,
    scores: Scores,
    threshold: float,
    *,
    baselines: Mapping[str, Scores] | None = None,
    metrics: Mapping[str, Metric] | None = None,
) -> Evaluation:
    """Judge scores of some rows of a version, sliced by survey, class and night.

    Parameters
    ----------
    scores : (k,), probabilities
    baselines
        Other rankings by name, (k,) each.
    metrics
        Numbers of one's own by name.
    """
    from astrid_assets.learning.evaluation import evaluate

    some = arrays.samples[rows]
    return evaluate(
        scores,
        arrays.is_real[rows],
        some["score_sigma"].to_numpy(),
        groups_of_rows(arrays, rows),
        threshold=threshold,
        magnitudes=_magnitudes(tools, some["detection_id"].to_list()),
        slices={
            "survey": some["survey"].to_numpy().astype(str),
            "class": some["classification"].fill_null("").to_numpy().astype(str),
            "source": some["source"].to_numpy().astype(str),
        },
        baselines=baselines,
        metrics=metrics,
    )


def groups_of_rows(arrays: DatasetArrays, rows: Rows | None = None) -> NDArray[np.str_]:
    """Return what belongs together: the group of each row, else its object or itself."""
    some = arrays.samples if rows is None else arrays.samples[rows]
    # Versions of before have no groups: objects stood for them.
    column = "group" if "group" in some.columns else "object_id"
    return some[column].fill_null(some["detection_id"]).to_numpy().astype(str)


def survey_scores(tools: Tools, arrays: DatasetArrays, rows: Rows) -> dict[str, Scores]:
    """Return the scores that a survey's own networks gave rows, by name; NaN for none.

    Only alerts have them; a name that no row has is left out.
    """
    observations = arrays.samples["observation_id"][rows].to_list()
    numbers: dict[str, dict[str, float]] = {}
    with tools.catalogue.read() as session:
        for chunk in in_chunks(observations):
            query = select(PreprocessRun.observation_id, PreprocessRun.flags).where(
                PreprocessRun.observation_id.in_(chunk)
            )
            for observation, flags in session.execute(query):
                for flag in flags:
                    if flag.get("code") == "alert":
                        numbers[observation] = flag["measurements"]
    found = {
        name: np.array([numbers.get(one, {}).get(name, np.nan) for one in observations], float)
        for name in SURVEYS_OWN
    }
    return {name: values for name, values in found.items() if np.isfinite(values).any()}


def _magnitudes(tools: Tools, detection_ids: Sequence[str]) -> Scores:
    known: dict[str, float | None] = {}
    with tools.catalogue.read() as session:
        for chunk in in_chunks(detection_ids):
            query = (
                select(Detection.id, CandidateRow.mag)
                .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
                .where(Detection.id.in_(chunk))
            )
            known |= {row[0]: row[1] for row in session.execute(query)}
    # None becomes NaN.
    return np.array([known.get(one) for one in detection_ids], dtype=np.float64)


def _pixels(scorer: OnnxScorer, arrays: DatasetArrays, rows: Rows) -> PixelEvaluation | None:
    from astrid_assets.learning.metrics.pixels import PixelCounts

    counted = PixelCounts()
    for start in range(0, len(rows), PIXELS_AT_ONCE):
        some = rows[start : start + PIXELS_AT_ONCE]
        counted.add(scorer.masks(arrays.images(some)), arrays.stamps.masks_of(some))
    return counted.result()


def _sheet(scorer: OnnxScorer, arrays: DatasetArrays, rows: Rows, scores: Scores) -> bytes:
    from astrid_assets.pictures.mask_sheet import mask_sheet

    cutouts = arrays.images(rows)
    some = arrays.samples[rows]
    captions = [
        f"{score:.3f}  S/N {snr:+.1f}  {kind or label}"
        for score, snr, kind, label in zip(
            scores.tolist(),
            some["score_sigma"].to_list(),
            some["classification"].to_list(),
            some["label"].to_list(),
            strict=True,
        )
    ]
    return mask_sheet(cutouts, scorer.masks(cutouts), arrays.stamps.masks_of(rows), captions)
