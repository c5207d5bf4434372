"""Injected transients whose cutouts are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.storage.database.tables.detections import DifferenceRun, InjectedTransientRow
from astrid_assets.storage.database.tables.frames import Observation

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class InjectedCutout:
    """An injected transient, and where its cutouts are: the object key, and the index in it."""

    difference_id: str
    survey: str
    key: str
    index: int


def surveys_with_injections(session: Session) -> list[str]:
    """Return the surveys with cutouts of injected transients, by name."""
    query = (
        select(Observation.survey)
        .join(DifferenceRun, DifferenceRun.observation_id == Observation.id)
        .join(InjectedTransientRow, InjectedTransientRow.difference_id == DifferenceRun.id)
        .where(InjectedTransientRow.cutout_key.is_not(None))
        .distinct()
        .order_by(Observation.survey)
    )
    return list(session.scalars(query))


def newest_injections(session: Session, survey: str, most: int) -> list[InjectedCutout]:
    """Return the cutouts of a survey's newest nights, at most so many; of current differences."""
    row = InjectedTransientRow
    query = (
        select(row.difference_id, Observation.survey, row.cutout_key, row.cutout_index)
        .join(DifferenceRun, DifferenceRun.id == row.difference_id)
        .join(Observation, Observation.id == DifferenceRun.observation_id)
        .where(
            Observation.survey == survey,
            DifferenceRun.is_current,
            row.cutout_key.is_not(None),
        )
        .order_by(Observation.night.desc(), row.difference_id, row.number)
        .limit(most)
    )
    return [InjectedCutout(*found) for found in session.execute(query)]
