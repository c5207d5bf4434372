"""Queries on the drift of nights and on the health of models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from astrid_assets.storage.database.tables.detections import (
    CandidateRow,
    Detection,
    DifferenceRun,
)
from astrid_assets.storage.database.tables.frames import PreprocessRun
from astrid_assets.storage.database.tables.watching import HealthNumber, NightDrift
from astrid_assets.storage.database.upsert import mapped_table
from astrid_assets.storage.queries.observations import in_chunks

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

NUMBERS = ("score", "snr", "fwhm_px", "sky_rms_ratio")
"""What is watched of each detection: the output of a model, and what it depends on."""

ON_RANDOM_ITEMS = ("purity", "calibration", "calibration_error", "error")
"""What random items state about a model in force."""


def numbers_of_night(
    session: Session, survey: str, night: str, model_id: str
) -> list[tuple[float | None, ...]]:
    """Return `NUMBERS` of each current detection of a night that a model scored."""
    query = (
        select(
            Detection.score,
            CandidateRow.score_sigma,
            CandidateRow.fwhm_px,
            mapped_table(PreprocessRun).columns["sky_rms_ratio"],
        )
        .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
        .join(DifferenceRun, DifferenceRun.id == CandidateRow.difference_id)
        .outerjoin(PreprocessRun, PreprocessRun.observation_id == Detection.observation_id)
        .where(
            Detection.survey == survey,
            Detection.night == night,
            Detection.model_id == model_id,
            CandidateRow.is_current,
            DifferenceRun.is_current,
        )
    )
    return [
        (score, None if snr is None else abs(snr), fwhm, sky)
        for score, snr, fwhm, sky in session.execute(query)
    ]


def nights_to_compare_with(
    session: Session, survey: str, model_id: str, before: str, *, least: int, most: int
) -> list[str]:
    """Return the first nights that a model scored, in order.

    Parameters
    ----------
    before
        Only nights before this one.
    least
        Detections that such a night has at least.
    most
        Number of nights.
    """
    query = (
        select(NightDrift.night)
        .where(
            NightDrift.survey == survey,
            NightDrift.model_id == model_id,
            NightDrift.number == NUMBERS[0],
            NightDrift.night < before,
            NightDrift.n >= least,
        )
        .order_by(NightDrift.night)
        .limit(most)
    )
    return list(session.scalars(query))


def surveys_of(session: Session) -> list[str]:
    """Return the surveys that have watched nights."""
    return list(session.scalars(select(NightDrift.survey).distinct().order_by(NightDrift.survey)))


def newest_drifts(
    session: Session, survey: str, model_id: str, number: str, limit: int
) -> list[NightDrift]:
    """Return a number's newest nights, the newest first."""
    query = (
        select(NightDrift)
        .where(
            NightDrift.survey == survey,
            NightDrift.model_id == model_id,
            NightDrift.number == number,
        )
        .order_by(NightDrift.night.desc())
        .limit(limit)
    )
    return list(session.scalars(query))


def surveys_of_model(session: Session, model_id: str) -> Collection[str]:
    """Return the surveys of which a model scored watched nights."""
    query = select(NightDrift.survey).where(NightDrift.model_id == model_id)
    return list(session.scalars(query.distinct().order_by(NightDrift.survey)))


def surveys_with_health(session: Session, model_id: str) -> Collection[str]:
    """Return the surveys on which the health of a model was measured."""
    query = select(HealthNumber.survey).where(HealthNumber.model_id == model_id)
    return list(session.scalars(query.distinct().order_by(HealthNumber.survey)))


def newest_of_health(
    session: Session, model_id: str, survey: str, number: str, limit: int
) -> list[HealthNumber]:
    """Return the newest measurements of a number of a model on a survey, the newest first."""
    query = select(HealthNumber).where(
        HealthNumber.model_id == model_id,
        HealthNumber.survey == survey,
        HealthNumber.number == number,
    )
    return list(session.scalars(query.order_by(HealthNumber.sequence.desc()).limit(limit)))


def of_survey(session: Session, detection_ids: Collection[str], survey: str) -> set[str]:
    """Return those of some detections that belong to a survey."""
    found: set[str] = set()
    for chunk in in_chunks(detection_ids):
        query = select(Detection.id).where(Detection.id.in_(chunk), Detection.survey == survey)
        found |= set(session.scalars(query))
    return found


def newest_health(session: Session) -> list[HealthNumber]:
    """Return the numbers of the newest measurement of the health."""
    newest = select(func.max(HealthNumber.measured_at)).scalar_subquery()
    query = select(HealthNumber).where(HealthNumber.measured_at == newest)
    return list(session.scalars(query.order_by(HealthNumber.sequence)))


def health_of_model(session: Session, model_id: str, limit: int) -> list[HealthNumber]:
    """Return the newest numbers of a model's health, the newest first."""
    query = select(HealthNumber).where(HealthNumber.model_id == model_id)
    return list(session.scalars(query.order_by(HealthNumber.sequence.desc()).limit(limit)))
