"""What labels would change in the references of nights: frames, nights, other labels.

Read from the catalogue alone; nothing is chosen or stacked here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, DifferenceRun
from astrid_assets.storage.database.tables.frames import (
    NightReference,
    Observation,
    ReferenceMember,
)
from astrid_assets.storage.database.tables.review import Label
from astrid_assets.storage.queries import frames
from astrid_assets.storage.queries.observations import in_chunks
from astrid_assets.storage.review.carrying import NOT_CARRIED, is_current

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from astrid_assets.surveys.profile import SurveyProfile


@dataclass(frozen=True)
class LabelCost:
    """What labels cost that remove frames from references, once the nights are run.

    `deciding` are detections whose labels remove `frames`, which are in references of
    `nights`; `affected` is the number of labels on differences that are then made anew.
    """

    deciding: frozenset[str] = field(default_factory=frozenset)
    frames: frozenset[str] = field(default_factory=frozenset)
    nights: tuple[str, ...] = ()
    affected: int = 0

    @property
    def words(self) -> str:
        """The cost as a sentence; empty where labels remove no frame."""
        if not self.frames:
            return ""
        return (
            f"{_counted(len(self.deciding), 'label')} would remove "
            f"{_counted(len(self.frames), 'frame')} from the references of "
            f"{_counted(len(self.nights), 'night')}; {_counted(self.affected, 'label')} "
            f"{'is' if self.affected == 1 else 'are'} affected: carried over where the source is "
            "found again"
        )


def label_cost(
    session: Session, profile: SurveyProfile, nights: Collection[str] | None = None
) -> LabelCost:
    """Return what labels would change in the references that nights use now.

    Parameters
    ----------
    nights
        Only these; None: every night that has chosen its references.
    """
    settings = profile.reference
    if settings.known_transients != "exclude":
        return LabelCost()
    query = select(NightReference).where(
        NightReference.survey == profile.name, NightReference.reference_id.is_not(None)
    )
    choices = [
        row
        for row in session.scalars(query.order_by(NightReference.night))
        if nights is None or row.night in nights
    ]
    deciding: set[str] = set()
    removed: set[str] = set()
    touched: list[NightReference] = []
    for group in sorted({(row.field, row.band) for row in choices}):
        known = frames.known_transient_labels(
            session, profile.name, *group, reviewers=settings.known_transient_reviewers
        )
        inside = _members(session, known.values())
        changed = [
            row for row in choices if (row.field, row.band) == group and row.reference_id in inside
        ]
        out = {frame for row in changed for frame in inside[str(row.reference_id)]}
        removed |= out
        deciding |= {id_ for id_, observation_id in known.items() if observation_id in out}
        touched += changed
    return LabelCost(
        frozenset(deciding),
        frozenset(removed),
        tuple(sorted({row.night for row in touched})),
        sum(_labels_on(session, row) for row in touched),
    )


def _members(session: Session, observation_ids: Collection[str]) -> dict[str, set[str]]:
    """Return which of these frames are in each reference that holds any."""
    found: dict[str, set[str]] = {}
    for chunk in in_chunks(observation_ids):
        query = select(ReferenceMember.reference_id, ReferenceMember.observation_id).where(
            ReferenceMember.observation_id.in_(chunk)
        )
        for reference_id, observation_id in session.execute(query):
            found.setdefault(reference_id, set()).add(observation_id)
    return found


def _labels_on(session: Session, choice: NightReference) -> int:
    """Count labels on the current differences of a night, field and band; no truth's."""
    query = (
        select(func.count())
        .select_from(Label)
        .join(Detection, Detection.id == Label.detection_id)
        .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
        .join(DifferenceRun, DifferenceRun.id == CandidateRow.difference_id)
        .join(Observation, Observation.id == Detection.observation_id)
        .where(
            Observation.survey == choice.survey,
            Observation.night == choice.night,
            Observation.field == choice.field,
            Observation.band == choice.band,
            Label.source.not_in(NOT_CARRIED),
            is_current(),
        )
    )
    return session.scalar(query) or 0


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
