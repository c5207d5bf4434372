"""The drift of one night: its scores and inputs against the first nights of its model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.learning.drift import drift_of, median_interval
from astrid_assets.science.quality.gates import INPUT_DRIFT, SCORE_DRIFT
from astrid_assets.steps.learning.retraining.settings import RetrainingSettings
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.watching import NightDrift
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.queries import watching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from astrid_assets.science.quality.gate import Gate, Verdict

REFERENCE_NIGHTS = 10
"""No more and no fewer, so that no later night that has drifted enters the reference. One night
stands out of so many by luck in 1 of 11 cases, three in a row in 1 of 286."""


def watch_night(
    session: Session,
    survey: str,
    night: str,
    model_id: str,
    settings: RetrainingSettings | None = None,
) -> tuple[Verdict, ...]:
    """Measure and keep the drift of a night that a model scored; return the verdicts.

    A failure warns: the night goes on. Where detections or reference nights are too few, the
    verdict has no value, and its detail says what is lacking.
    """
    settings = settings or RetrainingSettings()
    least = settings.drift_candidates
    nights = watching.nights_to_compare_with(
        session, survey, model_id, night, least=least, most=REFERENCE_NIGHTS
    )
    own = watching.numbers_of_night(session, survey, night, model_id)
    reference = [watching.numbers_of_night(session, survey, one, model_id) for one in nights]
    rows = []
    for at, number in enumerate(watching.NUMBERS):
        values = _known(own, at)
        others = [_known(one, at) for one in reference]
        others = [one for one in others if len(one) >= least]
        drift = (
            drift_of(values, others)
            if len(values) >= least and len(others) == REFERENCE_NIGHTS
            else None
        )
        low, high = median_interval(values) or (None, None)
        rows.append(
            NightDrift(
                survey=survey,
                model_id=model_id,
                number=number,
                night=night,
                n=len(values),
                median=float(np.median(values)) if len(values) else None,
                median_low=low,
                median_high=high,
                n_reference=len(others),
                effect=drift.effect if drift else None,
                usual=drift.usual if drift else None,
                measured_at=now(),
            )
        )
    verdicts = (
        _judged(SCORE_DRIFT, rows[:1], settings),
        _judged(INPUT_DRIFT, rows[1:], settings),
    )
    upsert(session, rows)
    return verdicts


def _known(numbers: Sequence[tuple[float | None, ...]], at: int) -> NDArray[np.float64]:
    return np.array([row[at] for row in numbers if row[at] is not None], dtype=np.float64)


def _judged(gate: Gate, rows: Sequence[NightDrift], settings: RetrainingSettings) -> Verdict:
    """Judge the number that exceeds its limit most."""
    measured = [
        (row.effect, max(settings.drift_effect, row.usual or 0.0), row)
        for row in rows
        if row.effect is not None
    ]
    if not measured:
        return gate.judge(
            None,
            detail=f"{rows[0].n} detections and {rows[0].n_reference} earlier nights of the "
            f"model; {settings.drift_candidates} and {REFERENCE_NIGHTS} are needed",
        )
    effect, limit, row = max(measured, key=lambda one: one[0] - one[1])
    return gate.judge(
        effect,
        at_most=limit,
        detail=f"{row.number} of {row.n} detections (median {row.median:.4g}) against "
        f"{row.n_reference} nights, of which the most different one differs by {row.usual:.2f}",
    )
