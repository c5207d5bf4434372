"""Queries on what reviewers said and on the labels that follow from it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import exists, func, select

from astrid_assets.storage.database.tables.detections import Detection
from astrid_assets.storage.database.tables.nights import GateVerdict
from astrid_assets.storage.database.tables.review import FormerDetection, Label, ValidationEvent
from astrid_assets.storage.database.upsert import insert_new
from astrid_assets.storage.queries.detection_rows import BY_TIME, DetectionRow, select_detections
from astrid_assets.storage.queries.gates import NIGHTLY_ASSETS
from astrid_assets.storage.queries.observations import in_chunks
from astrid_assets.storage.review.carrying import NOT_CARRIED, lock_events

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Sequence

    from sqlalchemy.orm import Session

TRAINABLE = ("real", "bogus")
MOST_COUNTED = 20_000  # as many as the largest dataset takes by default


@dataclass(frozen=True)
class LabelledRow(DetectionRow):
    """A detection with its label."""

    label: str
    classification: str | None
    source: str
    n_votes: int
    agreement: float
    last_sequence: int
    carried_from: str | None


def append_events(session: Session, rows: Sequence[ValidationEvent]) -> int:
    """Keep what reviewers said; return how many events are new.

    An event whose ``event_key`` is known is a repeated save and changes nothing.
    """
    # Sequence numbers become visible in their order: one who reads up to a number
    # never misses a smaller one that is committed later.
    lock_events(session)
    return len(insert_new(session, rows, "event_key"))


def events_for(
    session: Session, detection_ids: Collection[str]
) -> dict[str, list[ValidationEvent]]:
    """Return the events of each detection that has any, in the order they came.

    What was said about a former detection of the same source is among them, with the
    id of that one: see `review.carrying`.
    """
    events: dict[str, list[ValidationEvent]] = defaultdict(list)
    table = ValidationEvent
    for chunk in in_chunks(detection_ids):
        own = select(table, table.detection_id).where(table.detection_id.in_(chunk))
        carried = (
            select(table, FormerDetection.current_id)
            .join(FormerDetection, FormerDetection.detection_id == table.detection_id)
            .where(FormerDetection.current_id.in_(chunk), table.source.not_in(NOT_CARRIED))
        )
        found = [*session.execute(own), *session.execute(carried)]
        for event, detection_id in sorted(found, key=lambda row: row[0].sequence):
            events[detection_id].append(event)
    return dict(events)


def labels_for(session: Session, detection_ids: Collection[str]) -> dict[str, Label]:
    """Return the label of each detection that has one."""
    return {
        label.detection_id: label
        for chunk in in_chunks(detection_ids)
        for label in session.scalars(select(Label).where(Label.detection_id.in_(chunk)))
    }


@dataclass(frozen=True)
class NewLabels:
    """How many labels are new, by kind; `newest` is the event that gave the last of them."""

    real: int
    bogus: int
    newest: int = 0

    @property
    def total(self) -> int:
        """Labels of both kinds."""
        return self.real + self.bogus


def new_labels(session: Session, after_sequence: int) -> NewLabels:
    """Count detections that became real or bogus, or changed between them, after an event.

    Skips, votes that agree with the label, and answers that are carried over make none new.
    At most `MOST_COUNTED` of each kind are counted: a table of millions takes no longer.
    """
    count: dict[str, int] = {}
    newest = 0
    for kind in TRAINABLE:
        is_new = (Label.label == kind, Label.given_sequence > after_sequence)
        some = select(Label.given_sequence).where(*is_new).limit(MOST_COUNTED).subquery()
        count[kind] = session.scalar(select(func.count()).select_from(some)) or 0
        newest = max(
            newest, session.scalar(select(func.max(Label.given_sequence)).where(*is_new)) or 0
        )
    return NewLabels(count["real"], count["bogus"], newest)


def last_sequence(session: Session) -> int:
    """Return the number of the newest event, 0 before the first."""
    return session.scalar(select(func.max(ValidationEvent.sequence))) or 0


def newest_answer_at(session: Session) -> dt.datetime | None:
    """Return when a reviewer answered last; None: nobody has."""
    query = select(ValidationEvent.created_at).where(ValidationEvent.source == "person")
    return session.scalar(query.order_by(ValidationEvent.sequence.desc()).limit(1))


def labelled_detections(
    session: Session,
    surveys: Collection[str] | None = None,
    start: str | None = None,
    end: str | None = None,
    sources: Collection[str] | None = None,
    labels: Collection[str] = TRAINABLE,
) -> list[LabelledRow]:
    """Return labelled current detections, in order of time.

    Parameters
    ----------
    surveys, sources
        Only these surveys and label sources; None: all.
    start, end
        First and last night, both included.
    labels
        Only these labels.

    Nights that any gate blocks are left out.
    """
    held = exists().where(
        GateVerdict.survey == Detection.survey,
        GateVerdict.night == Detection.night,
        GateVerdict.asset.in_(NIGHTLY_ASSETS),
        GateVerdict.holds_back,
        ~GateVerdict.passed,
    )
    query = (
        select_detections(
            Label.label,
            Label.classification,
            Label.source,
            Label.n_votes,
            Label.agreement,
            Label.last_sequence,
            Label.carried_from,
        )
        .join(Label, Label.detection_id == Detection.id)
        .where(Label.label.in_(list(labels)), ~held)
    )
    if surveys is not None:
        query = query.where(Detection.survey.in_(list(surveys)))
    if sources is not None:
        query = query.where(Label.source.in_(list(sources)))
    if start is not None:
        query = query.where(Detection.night >= start)
    if end is not None:
        query = query.where(Detection.night <= end)
    return [LabelledRow(*row) for row in session.execute(query.order_by(*BY_TIME))]
