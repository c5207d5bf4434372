"""Queries on which frames cover a position on the sky, and what became of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import and_, func, or_, select

from astrid_assets.storage.database.sky_index import cone_ranges, distance_arcsec
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, DifferenceRun
from astrid_assets.storage.database.tables.frames import (
    Observation,
    PreprocessRun,
    ReferenceFrame,
    Survey,
)
from astrid_assets.storage.database.tables.nights import GateVerdict
from astrid_assets.storage.database.tables.review import Label
from astrid_assets.storage.queries.observations import in_chunks

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Select
    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class FrameHistory:
    """A frame and what became of it; None for steps it has not gone through."""

    observation: Observation
    run: PreprocessRun | None
    difference: DifferenceRun | None
    reference: ReferenceFrame | None


@dataclass(frozen=True)
class FoundThere:
    """A current candidate, with its detection and label where it has them."""

    candidate: CandidateRow
    detection: Detection | None
    label: Label | None


def frames_around(
    session: Session,
    ra_deg: float,
    dec_deg: float,
    survey: str | None = None,
    night: str | None = None,
) -> list[FrameHistory]:
    """Return processed frames whose circle holds a position, in order of time."""
    query = _histories().where(
        # A frame's circle reaches at most this far in declination.
        func.abs(PreprocessRun.dec_deg - dec_deg) <= PreprocessRun.radius_deg
    )
    found = _found(session, query, survey, night)
    centres = np.array(
        [(f.run.ra_deg, f.run.dec_deg, f.run.radius_deg) for f in found if f.run],
        dtype=np.float64,
    ).reshape(-1, 3)
    distance = distance_arcsec(ra_deg, dec_deg, centres[:, 0], centres[:, 1]) / 3600
    near = distance <= centres[:, 2]
    return [frame for frame, is_near in zip(found, near, strict=True) if is_near]


def frames_without_place(
    session: Session, fields: Collection[tuple[str, str]], night: str | None = None
) -> list[FrameHistory]:
    """Return light frames of these (survey, field) whose position on the sky is unknown."""
    if not fields:
        return []
    query = _histories().where(
        Observation.kind == "light",
        PreprocessRun.dec_deg.is_(None),
        or_(
            *(
                and_(Observation.survey == survey, Observation.field == field)
                for survey, field in sorted(fields)
            )
        ),
    )
    return _found(session, query, None, night)


def candidates_around(
    session: Session,
    difference_ids: Collection[str],
    ra_deg: float,
    dec_deg: float,
    radius_arcsec: float,
) -> list[FoundThere]:
    """Return current candidates of these differences near a position, kept or not."""
    inside = or_(
        *(
            and_(CandidateRow.healpix >= low, CandidateRow.healpix < high)
            for low, high in cone_ranges(ra_deg, dec_deg, radius_arcsec)
        )
    )
    wanted = set(difference_ids)
    query = (
        select(CandidateRow, Detection, Label)
        .outerjoin(Detection, Detection.candidate_id == CandidateRow.id)
        .outerjoin(Label, Label.detection_id == Detection.id)
        .where(inside, CandidateRow.is_current)
    )
    rows = [FoundThere(*row) for row in session.execute(query)]
    return [row for row in rows if row.candidate.difference_id in wanted]


def held_back_nights(
    session: Session, surveys: Collection[str]
) -> dict[tuple[str, str], list[GateVerdict]]:
    """Return the failed gates that hold nights of these surveys back."""
    held: dict[tuple[str, str], list[GateVerdict]] = {}
    for chunk in in_chunks(surveys):
        query = (
            select(GateVerdict)
            .where(
                GateVerdict.survey.in_(chunk),
                GateVerdict.holds_back,
                ~GateVerdict.passed,
            )
            .order_by(GateVerdict.asset, GateVerdict.gate)
        )
        for verdict in session.scalars(query):
            held.setdefault((verdict.survey, verdict.night), []).append(verdict)
    return held


def profiles(session: Session, surveys: Collection[str]) -> dict[str, str]:
    """Return the stored profiles of surveys, as TOML."""
    rows: dict[str, str] = {}
    for chunk in in_chunks(surveys):
        query = select(Survey).where(Survey.name.in_(chunk))
        rows |= {row.name: row.profile_toml for row in session.scalars(query)}
    return rows


def _histories() -> Select[*tuple[Any, ...]]:
    return (
        select(Observation, PreprocessRun, DifferenceRun, ReferenceFrame)
        .outerjoin(PreprocessRun, PreprocessRun.observation_id == Observation.id)
        .outerjoin(
            DifferenceRun,
            and_(DifferenceRun.observation_id == Observation.id, DifferenceRun.is_current),
        )
        .outerjoin(ReferenceFrame, ReferenceFrame.id == DifferenceRun.reference_id)
    )


def _found(
    session: Session,
    query: Select[*tuple[Any, ...]],
    survey: str | None,
    night: str | None,
) -> list[FrameHistory]:
    if survey is not None:
        query = query.where(Observation.survey == survey)
    if night is not None:
        query = query.where(Observation.night == night)
    query = query.order_by(Observation.observed_mjd.nulls_last(), Observation.id)
    return [FrameHistory(*row) for row in session.execute(query)]
