"""Queries on processed frames, references and differences."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from astrid_assets.science.labelling.consensus import REAL
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, DifferenceRun
from astrid_assets.storage.database.tables.frames import (
    FieldAnchor,
    NightReference,
    Observation,
    PreprocessRun,
    ReferenceFrame,
    ReferenceMember,
)
from astrid_assets.storage.database.tables.review import Label, VoteRow
from astrid_assets.storage.queries.gates import blocked_nights_query
from astrid_assets.storage.queries.observations import IN_TIME, in_chunks

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session


def preprocess_runs_of_night(
    session: Session, survey: str, night: str
) -> list[tuple[Observation, PreprocessRun]]:
    """Return what became of each frame of a night, in the order they were taken."""
    query = (
        select(Observation, PreprocessRun)
        .join(PreprocessRun, PreprocessRun.observation_id == Observation.id)
        .where(Observation.survey == survey, Observation.night == night)
        .order_by(*IN_TIME)
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def field_anchor(session: Session, survey: str, field: str, band: str) -> FieldAnchor | None:
    """Return the anchor of a field and band, None before its first good frame."""
    return session.scalar(
        select(FieldAnchor).where(
            FieldAnchor.survey == survey,
            FieldAnchor.field == field,
            FieldAnchor.band == band,
        )
    )


def anchors(session: Session, survey: str) -> list[tuple[FieldAnchor, Observation]]:
    """Return a survey's anchors with their frames, by field and band."""
    query = (
        select(FieldAnchor, Observation)
        .join(Observation, Observation.id == FieldAnchor.observation_id)
        .where(FieldAnchor.survey == survey)
        .order_by(FieldAnchor.field, FieldAnchor.band)
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def accepted_before(
    session: Session,
    survey: str,
    field: str,
    band: str,
    night: str,
    *,
    later_too: bool = False,
) -> list[tuple[Observation, PreprocessRun]]:
    """Return accepted frames of strictly earlier nights, in the order of nights.

    Nights that the gate ``frame_quality`` blocks are left out. `later_too` adds
    those of later nights; the night itself is never among them.
    """
    nights = Observation.night != night if later_too else Observation.night < night
    held = blocked_nights_query(survey, ("processed_frames",), gate="frame_quality")
    query = (
        select(Observation, PreprocessRun)
        .join(PreprocessRun, PreprocessRun.observation_id == Observation.id)
        .where(
            Observation.survey == survey,
            Observation.field == field,
            Observation.band == band,
            nights,
            Observation.night.not_in(held),
            PreprocessRun.status == "accepted",
            PreprocessRun.frame_key.is_not(None),
        )
        .order_by(Observation.night, *IN_TIME)
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def with_known_transients(
    session: Session, survey: str, field: str, band: str, *, reviewers: int
) -> set[str]:
    """Return frames on which something is known to have brightened.

    Known is what an imported catalogue, or so many reviewers, call real on any
    difference of the frame, the present one or an earlier: it shone on the frame either
    way, and a choice that asked only for present ones would swing back and forth. The
    labels of a simulation's truth do not count: they exist only after references were
    made, so the choice would depend on the order of work.

    Parameters
    ----------
    reviewers
        Number of reviewers who must agree about the source, on this or other frames.
    """
    labels = known_transient_labels(session, survey, field, band, reviewers=reviewers)
    return set(labels.values())


def known_transient_labels(
    session: Session, survey: str, field: str, band: str, *, reviewers: int
) -> dict[str, str]:
    """Return the labels that keep frames out of references: detection -> frame."""
    query = (
        select(Detection.id, Detection.object_id, Detection.observation_id, Label.source)
        .join(Label, Label.detection_id == Detection.id)
        .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
        .join(Observation, Observation.id == Detection.observation_id)
        .where(
            Observation.survey == survey,
            Observation.field == field,
            Observation.band == band,
            Label.label == REAL,
            Label.source != "truth",
            CandidateRow.sign > 0,
        )
    )
    found = session.execute(query).all()
    agreed = _who_calls_real(session, [(row[0], row[1]) for row in found])
    return {
        id_: observation_id
        for id_, object_id, observation_id, source in found
        if source == "catalogue" or len(agreed[object_id or id_]) >= reviewers
    }


def _who_calls_real(
    session: Session, detections: Collection[tuple[str, str | None]]
) -> dict[str, set[str]]:
    """Return who calls each object real, or a detection that belongs to none, by id."""
    agreed: dict[str, set[str]] = defaultdict(set)
    query = (
        select(Detection.id, Detection.object_id, VoteRow.reviewer)
        .join(VoteRow, VoteRow.detection_id == Detection.id)
        .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
        .where(VoteRow.label == REAL, VoteRow.source != "truth", CandidateRow.sign > 0)
    )
    for column, ids in (
        (Detection.object_id, {object_id for _, object_id in detections if object_id}),
        (Detection.id, {id_ for id_, object_id in detections if object_id is None}),
    ):
        for chunk in in_chunks(ids):
            for id_, object_id, reviewer in session.execute(query.where(column.in_(chunk))):
                agreed[object_id or id_].add(reviewer)
    return agreed


def reference_by_version(session: Session, version: str) -> ReferenceFrame | None:
    """Return a reference by the hash of what made it."""
    return session.scalar(select(ReferenceFrame).where(ReferenceFrame.version == version))


def reference_of(session: Session, choice: NightReference | None) -> ReferenceFrame | None:
    """Return the reference a night's choice names, None where it names none."""
    if choice is None or choice.reference_id is None:
        return None
    return session.get_one(ReferenceFrame, choice.reference_id)


def reference_members(session: Session, reference_id: str) -> list[Observation]:
    """Return the frames inside a reference, in the order they were taken."""
    query = (
        select(Observation)
        .join(ReferenceMember, ReferenceMember.observation_id == Observation.id)
        .where(ReferenceMember.reference_id == reference_id)
        .order_by(*IN_TIME)
    )
    return list(session.scalars(query))


def night_reference(
    session: Session, survey: str, night: str, field: str, band: str
) -> NightReference | None:
    """Return which reference a night uses for a field and band, if it was chosen."""
    return session.get(NightReference, (survey, night, field, band))


def night_references(session: Session, survey: str, night: str) -> list[NightReference]:
    """Return the choices of a night for all its fields and bands."""
    table = NightReference
    query = (
        select(table)
        .where(table.survey == survey, table.night == night)
        .order_by(table.field, table.band)
    )
    return list(session.scalars(query))


def current_differences_of_night(
    session: Session, survey: str, night: str
) -> list[tuple[Observation, DifferenceRun]]:
    """Return the current subtraction of each frame of a night, in order."""
    query = (
        select(Observation, DifferenceRun)
        .join(DifferenceRun, DifferenceRun.observation_id == Observation.id)
        .where(
            Observation.survey == survey,
            Observation.night == night,
            DifferenceRun.is_current,
        )
        .order_by(*IN_TIME)
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def differences_with_frames(
    session: Session, survey: str, night: str
) -> list[tuple[DifferenceRun, str]]:
    """Return current subtractions with the object key of their processed frame."""
    query = (
        select(DifferenceRun, PreprocessRun.frame_key)
        .join(Observation, DifferenceRun.observation_id == Observation.id)
        .join(PreprocessRun, PreprocessRun.observation_id == Observation.id)
        .where(
            Observation.survey == survey,
            Observation.night == night,
            DifferenceRun.is_current,
            PreprocessRun.frame_key.is_not(None),
        )
        .order_by(*IN_TIME)
    )
    return [(run, str(key)) for run, key in session.execute(query)]


def make_current(
    session: Session, observation_ids: Collection[str], difference_ids: Collection[str]
) -> None:
    """Make these differences the current ones of their frames, and no others."""
    table = DifferenceRun
    for chunk in in_chunks(observation_ids):
        session.execute(
            update(table)
            .where(table.observation_id.in_(chunk), table.is_current)
            .values(is_current=False)
        )
    for chunk in in_chunks(difference_ids):
        session.execute(update(table).where(table.id.in_(chunk)).values(is_current=True))
