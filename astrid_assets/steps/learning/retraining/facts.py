"""The facts of the decision: what the catalogue knows, and what Dagster knows of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.steps.learning.retraining.decision import (
    DriftedNight,
    LackedLabels,
    RandomError,
    RetrainingFacts,
    TrainedDataset,
)
from astrid_assets.storage.queries import models, retraining, watching
from astrid_assets.storage.review import labels

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.tables.retraining import CollectionOutcome

HOUR_S = 3600
MOST_NIGHTS = 10
"""More in a row are asked of no drift."""


@dataclass(frozen=True)
class LastRun:
    """The newest run for a training: when it was asked for, and whether it failed."""

    id: str
    asked_at: dt.datetime
    has_failed: bool


def facts_of(
    session: Session, when: dt.datetime, last_run: LastRun | None, *, is_training: bool
) -> RetrainingFacts:
    """Return what the decision at a time is made of.

    Every question is answered from an index or a short table: a tick takes no longer with
    a million events.
    """
    trained = retraining.newest_trained(session)
    collected = retraining.last_collection(session)
    lacked = _lacked(session, collected)
    begun = retraining.last_training_begin(session)
    if last_run is not None and last_run.has_failed:
        # One that failed for want of labels waits for these, not for the clock.
        in_collection = (
            lacked is not None and collected is not None and collected.ended_at >= last_run.asked_at
        )
        if not in_collection and (begun is None or last_run.asked_at > begun):
            begun = last_run.asked_at
    return RetrainingFacts(
        new=labels.new_labels(session, retraining.newest_event_trained_on(session, trained)),
        dataset=TrainedDataset(trained.id, trained.total_samples) if trained else None,
        hours_since=None if begun is None else (when - begun).total_seconds() / HOUR_S,
        last_run=last_run.id if last_run else None,
        is_training=is_training,
        lacked=lacked,
        error=_error(session),
        fallen=models.noted_fall(session),
        drift=newest_drift(session),
    )


def _error(session: Session) -> RandomError | None:
    """Return the errors that stand out most, of the newest measurement and today's champions."""
    found = [
        RandomError(round(row.value * row.n), row.n, row.limit)
        for row in watching.newest_health(session)
        if row.number == "error" and row.value is not None and row.limit is not None
        # What was measured of a model that is no champion any more says nothing.
        if (champion := models.champion_of_survey(session, row.survey)) is not None
        if champion.id == row.model_id
    ]
    return max(found, key=lambda one: one.n_wrong / one.n - one.expected, default=None)


def newest_drift(session: Session) -> dict[tuple[str, str], list[DriftedNight]]:
    """Return the newest nights that the champions of the surveys scored, by number."""
    found = {}
    for survey in watching.surveys_of(session):
        champion = models.champion_of_survey(session, survey)
        if champion is not None:
            for number in watching.NUMBERS:
                found[survey, number] = [
                    DriftedNight(row.night, row.effect, row.usual, row.n_reference)
                    for row in watching.newest_drifts(
                        session, survey, champion.id, number, MOST_NIGHTS
                    )
                ]
    return found


def _lacked(session: Session, last: CollectionOutcome | None) -> LackedLabels | None:
    if last is None or not last.lacking:
        return None
    since = labels.new_labels(session, last.last_sequence)
    return LackedLabels(last.lacking, last.reason or "", since)
