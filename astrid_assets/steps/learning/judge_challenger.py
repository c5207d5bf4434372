"""Judge a challenger beside the champion, on rows that neither of their trainings saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.quality.gates import MIN_TEST_SAMPLES
from astrid_assets.steps.learning.evaluate import (
    evaluate_scores,
    groups_of_rows,
    open_scorer,
    scores_of_rows,
)
from astrid_assets.steps.learning.golden import golden_check
from astrid_assets.steps.learning.injected import injections_check
from astrid_assets.steps.learning.seen import UnknownTraining, seen_by_none
from astrid_assets.steps.learning.survey_calibrations import as_in_nights
from astrid_assets.storage.queries import models
from astrid_assets.storage.review.random_sample import drawn_at_random

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from astrid_assets.learning.evaluation import Evaluation
    from astrid_assets.learning.gate.card import EvidenceCard, GateOutcome
    from astrid_assets.learning.gate.checks import Check
    from astrid_assets.learning.gate.judge import JudgedRows, JudgedScores
    from astrid_assets.learning.gate.settings import GateSettings
    from astrid_assets.learning.inference import OnnxScorer
    from astrid_assets.steps.learning.opening import DatasetArrays
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import Model

    Rows = NDArray[np.int64]

CUTOUTS_TRIED = 16
"""Cutouts of the judged rows that the numeric checks are made on."""


@dataclass(frozen=True)
class Judgement:
    """The evidence card, and both evaluations; None where there is nothing to compare."""

    card: EvidenceCard
    challenger: Evaluation | None
    champion: Evaluation | None
    n_unseen: int


def judge_challenger(
    tools: Tools,
    challenger: Model,
    champion: Model | None,
    arrays: DatasetArrays,
    settings: GateSettings,
    work_folder: Path,
    scope: str = "",
) -> Judgement:
    """Score both models now, by the same code, and return the evidence card.

    Parameters
    ----------
    champion
        None before the first model.
    arrays
        The version whose test split judges.
    scope
        Survey whose attempts are counted; empty: the common ones.
    """
    from astrid_assets.learning.gate.card import GateOutcome
    from astrid_assets.learning.gate.judge import judge_pair
    from astrid_assets.learning.inference import UnusableModel

    def refused(verdict: GateOutcome, reason: str, made: Sequence[Check] = ()) -> Judgement:
        return _refused(challenger, champion, verdict, reason, settings, arrays, rows, made)

    rows = np.empty(0, dtype=np.int64)
    both = [challenger] if champion is None else [challenger, champion]
    try:
        rows = seen_by_none(tools, both, arrays)
    except UnknownTraining as error:
        return refused(GateOutcome.NOT_ENOUGH, str(error))
    n_real = int(arrays.is_real[rows].sum())
    n_bogus = len(rows) - n_real
    if len(rows) < MIN_TEST_SAMPLES or not n_real or not n_bogus:
        reason = (
            f"{len(rows)} test samples ({n_real} real, {n_bogus} bogus) were never seen in "
            f"training, at least {MIN_TEST_SAMPLES} with both classes are needed: label more "
            "detections and collect again"
        )
        return refused(GateOutcome.NOT_ENOUGH, reason)
    try:
        scored = _scored(tools, challenger, arrays, rows, settings, work_folder)
    except UnusableModel as error:
        return refused(GateOutcome.UNUSABLE, str(error))
    sound, scores = scored
    if not np.isfinite(scores).all():
        reason = (
            f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are not finite: the "
            "model computes nonsense; train again"
        )
        return refused(GateOutcome.UNUSABLE, reason, sound)
    sound = [*sound, injections_check(tools, challenger, champion, settings, scope)]
    first = _judged(tools, challenger, arrays, rows, scores, sound)
    second = None
    if champion is not None:
        before = _night_scores(champion, arrays, rows, open_scorer(tools, champion))
        second = _judged(tools, champion, arrays, rows, before, ())
    with tools.catalogue.read() as session:
        itself = (challenger.id, arrays.row.id)
        attempt = 1 + models.attempts_against(session, champion, itself, scope)
    card = judge_pair(first, second, _rows(tools, arrays, rows), settings, attempt=attempt)
    return Judgement(card, first.evaluation, second and second.evaluation, len(rows))


def _scored(
    tools: Tools,
    model: Model,
    arrays: DatasetArrays,
    rows: Rows,
    settings: GateSettings,
    work_folder: Path,
) -> tuple[list[Check], NDArray[np.float64]]:
    """Return the numeric checks of a model and its scores of the rows."""
    from astrid_assets.learning.gate.soundness import soundness

    scorer = open_scorer(tools, model)
    some = rows[:CUTOUTS_TRIED]
    checks = [
        *soundness(scorer, np.asarray(arrays.images(some)), arrays.measurements(some), settings),
        golden_check(tools, model, scorer, settings, work_folder),
    ]
    return checks, _night_scores(model, arrays, rows, scorer)


def _night_scores(
    model: Model, arrays: DatasetArrays, rows: Rows, scorer: OnnxScorer
) -> NDArray[np.float64]:
    """Return a model's scores of rows, by each survey's own calibration where it has one."""
    surveys = arrays.samples[rows]["survey"].to_numpy().astype(str)
    return as_in_nights(model, scores_of_rows(scorer, arrays, rows), surveys)


def _judged(
    tools: Tools,
    model: Model,
    arrays: DatasetArrays,
    rows: Rows,
    scores: NDArray[np.float64],
    sound: Sequence[Check],
) -> JudgedScores:
    from astrid_assets.learning.gate.judge import JudgedScores

    evaluation = evaluate_scores(tools, arrays, rows, scores, model.threshold)
    return JudgedScores(_name(model), scores, evaluation, sound)


def _rows(tools: Tools, arrays: DatasetArrays, rows: Rows) -> JudgedRows:
    from astrid_assets.learning.gate.judge import JudgedRows

    some = arrays.samples[rows]
    with tools.catalogue.read() as session:
        at_random = drawn_at_random(session, some["detection_id"].to_list())
    return JudgedRows(
        labels=arrays.is_real[rows],
        snr=some["score_sigma"].to_numpy().astype(np.float64),
        groups=groups_of_rows(arrays, rows),
        by={
            "survey": some["survey"].to_numpy().astype(str),
            "class": some["classification"].fill_null("").to_numpy().astype(str),
        },
        at_random=some["detection_id"].is_in(list(at_random)).to_numpy(),
    )


def _refused(
    challenger: Model,
    champion: Model | None,
    verdict: GateOutcome,
    reason: str,
    settings: GateSettings,
    arrays: DatasetArrays,
    rows: Rows,
    made: Sequence[Check],
) -> Judgement:
    from astrid_assets.learning.gate.judge import refuse

    n_real = int(arrays.is_real[rows].sum())
    n_objects = len(np.unique(groups_of_rows(arrays, rows)))
    card = refuse(
        verdict,
        reason,
        settings,
        challenger=_name(challenger),
        champion=None if champion is None else _name(champion),
        counts=(n_real, len(rows) - n_real, n_objects),
        made=made,
    )
    return Judgement(card, None, None, len(rows))


def _name(model: Model) -> str:
    return f"{model.name} version {model.version}"
