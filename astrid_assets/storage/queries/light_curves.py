"""Queries on forced fluxes, tracklets and injected transients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from astrid_assets.storage.database.names import is_name
from astrid_assets.storage.database.tables.detections import (
    CandidateRow,
    Detection,
    DifferenceRun,
    ForcedFlux,
    InjectedTransientRow,
    SkyObject,
    TrackletRow,
)
from astrid_assets.storage.database.tables.frames import Observation, PreprocessRun
from astrid_assets.storage.queries.naming import find_named
from astrid_assets.storage.queries.observations import in_chunks

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class ForcedPoint:
    """The flux at an object's position on one frame.

    Electrons of the frame against its reference; `zero_point_mag` of that frame,
    None when it has none; `detection_id` where the flux was a detection as well.
    """

    difference_id: str
    observation_id: str
    night: str
    band: str
    observed_mjd: float
    flux_e: float
    flux_err_e: float
    zero_point_mag: float | None
    mask_bits: int
    is_usable: bool
    detection_id: str | None


@dataclass(frozen=True)
class MeasurableDifference:
    """A current, accepted difference: where it lies, and its object."""

    difference_id: str
    observation_id: str
    night: str
    difference_key: str
    ra_deg: float
    dec_deg: float
    radius_deg: float


def forced_light_curve(session: Session, object_id: str) -> list[ForcedPoint]:
    """Return the forced fluxes of an object on current differences, in time order."""
    query = (
        select(
            DifferenceRun.id,
            Observation.id,
            Observation.night,
            Observation.band,
            Observation.observed_mjd,
            ForcedFlux.flux_e,
            ForcedFlux.flux_err_e,
            PreprocessRun.zero_point_mag,
            ForcedFlux.mask_bits,
            ForcedFlux.is_usable,
        )
        .join(DifferenceRun, DifferenceRun.id == ForcedFlux.difference_id)
        .join(Observation, Observation.id == DifferenceRun.observation_id)
        .join(PreprocessRun, PreprocessRun.observation_id == Observation.id)
        .where(
            ForcedFlux.object_id == object_id,
            ForcedFlux.flux_e.is_not(None),
            DifferenceRun.is_current,
        )
        .order_by(Observation.observed_mjd, Observation.id)
    )
    detected = {
        row.observation_id: row.id
        for row in session.scalars(select(Detection).where(Detection.object_id == object_id))
    }
    return [
        ForcedPoint(
            difference_id=row[0],
            observation_id=row[1],
            night=row[2],
            band=row[3],
            observed_mjd=float(row[4] or 0.0),
            flux_e=float(str(row[5])),
            flux_err_e=float(str(row[6])),
            zero_point_mag=row[7],
            mask_bits=row[8],
            is_usable=row[9],
            detection_id=detected.get(row[1]),
        )
        for row in session.execute(query)
    ]


def measurable_differences(
    session: Session, survey: str, *, before: str | None = None, nights: Collection[str] = ()
) -> list[MeasurableDifference]:
    """Return current, accepted differences of some nights, or of all before one."""
    query = (
        select(
            DifferenceRun.id,
            Observation.id,
            Observation.night,
            DifferenceRun.difference_key,
            PreprocessRun.ra_deg,
            PreprocessRun.dec_deg,
            PreprocessRun.radius_deg,
        )
        .join(Observation, Observation.id == DifferenceRun.observation_id)
        .join(PreprocessRun, PreprocessRun.observation_id == Observation.id)
        .where(
            Observation.survey == survey,
            DifferenceRun.is_current,
            DifferenceRun.status == "accepted",
            DifferenceRun.difference_key.is_not(None),
            PreprocessRun.radius_deg.is_not(None),
        )
        .order_by(Observation.night, Observation.observed_mjd, Observation.id)
    )
    if before is not None:
        query = query.where(Observation.night < before)
    elif nights:
        query = query.where(Observation.night.in_(list(nights)))
    return [MeasurableDifference(*row) for row in session.execute(query)]


def objects_with_first_night(session: Session, survey: str) -> list[tuple[SkyObject, str]]:
    """Return the objects of a survey with the night that saw each first."""
    query = (
        select(SkyObject, func.min(Detection.night))
        .join(Detection, Detection.object_id == SkyObject.id)
        .where(SkyObject.survey == survey)
        .group_by(SkyObject.id)
        .order_by(SkyObject.id)
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def first_nights(session: Session, object_ids: Collection[str]) -> dict[str, str]:
    """Return the night that saw each object first, by id; of current detections."""
    found: dict[str, str] = {}
    for chunk in in_chunks(object_ids):
        query = (
            select(Detection.object_id, func.min(Detection.night))
            .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
            .join(DifferenceRun, DifferenceRun.id == CandidateRow.difference_id)
            .where(
                Detection.object_id.in_(chunk), CandidateRow.is_current, DifferenceRun.is_current
            )
            .group_by(Detection.object_id)
        )
        found |= {str(row[0]): row[1] for row in session.execute(query)}
    return found


def objects_like(session: Session, beginning: str, *, limit: int) -> list[str]:
    """Return ids of objects that begin so, in order; one that is equal comes alone.

    A name of an object, or of one of its detections, is as good as its id.
    """
    if is_name(beginning):
        named = find_named(session, beginning)
        return [] if named is None or named.object_id is None else [named.object_id]
    if session.get(SkyObject, beginning) is not None:
        return [beginning]
    query = (
        select(SkyObject.id)
        .where(SkyObject.id.startswith(beginning, autoescape=True))
        .order_by(SkyObject.id)
        .limit(limit)
    )
    return list(session.scalars(query))


def known_pairs(session: Session, difference_ids: Collection[str]) -> set[tuple[str, str]]:
    """Return (object, difference) of the fluxes that are there already."""
    return {
        (row[0], row[1])
        for chunk in in_chunks(difference_ids)
        for row in session.execute(
            select(ForcedFlux.object_id, ForcedFlux.difference_id).where(
                ForcedFlux.difference_id.in_(chunk)
            )
        )
    }


def forget_tracklets(session: Session, survey: str, night: str) -> None:
    """Remove the tracklets of a night, so that new ones take their place."""
    session.execute(
        delete(TrackletRow).where(TrackletRow.survey == survey, TrackletRow.night == night)
    )


def forget_injections(session: Session, difference_ids: Collection[str]) -> None:
    """Remove what is known of injections into these differences."""
    for chunk in in_chunks(difference_ids):
        session.execute(
            delete(InjectedTransientRow).where(InjectedTransientRow.difference_id.in_(chunk))
        )
