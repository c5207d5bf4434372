"""Standing votes, labels and positions in the queue: views of the events.

Nothing here is the truth; the events are. `refresh` writes the views of some
detections again; positions are first given by `review.positions`.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from astrid_assets.science.labelling.carrying import are_contradictory
from astrid_assets.science.labelling.consensus import DECISIVE, Vote, standing_votes
from astrid_assets.science.labelling.rules import ConsensusRules, queue_state
from astrid_assets.storage.database.tables.detections import Detection
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.database.tables.review import Label, Reviewer, ReviewItem, VoteRow
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.queries.observations import in_chunks
from astrid_assets.storage.review.carrying import carried_with, current_of, former_of
from astrid_assets.storage.review.labels import events_for
from astrid_assets.storage.review.reliability import KnownReviewers, known_reviewers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.orm import Session

    from astrid_assets.science.labelling.consensus import Consensus, Event
    from astrid_assets.storage.database.tables.review import ValidationEvent

EXPERTS = ("expert", "admin")
GOLD_SOURCES = ("truth", "catalogue")


def rules_of(session: Session, survey: str) -> ConsensusRules:
    """Return the rules a survey declares under ``[labels]``, else the defaults.

    Raises
    ------
    pydantic.ValidationError
        If what it declares makes no sense.
    """
    text = session.scalar(select(Survey.profile_toml).where(Survey.name == survey))
    return _rules(text or "")


@lru_cache(maxsize=64)
def _rules(profile_toml: str) -> ConsensusRules:
    return ConsensusRules.model_validate(tomllib.loads(profile_toml).get("labels", {}))


def expert_weights(session: Session, rules: ConsensusRules) -> dict[str, float]:
    """Return what the votes of experts count."""
    names = session.scalars(select(Reviewer.name).where(Reviewer.role.in_(EXPERTS)))
    return dict.fromkeys(names, rules.expert_weight)


def refresh(
    session: Session,
    detection_ids: Collection[str],
    reviewers: Mapping[str, KnownReviewers] | None = None,
) -> dict[str, Consensus]:
    """Write votes, label and position of these detections again, from their events.

    Those of a former detection stand at the current one that replaced it.

    Parameters
    ----------
    reviewers
        Per survey what is known of its reviewers; None: as last learned.

    Returns
    -------
    labels
        Labels of the detections that have one.
    """
    by_survey: dict[str, list[str]] = defaultdict(list)
    for chunk in in_chunks(carried_with(session, detection_ids)):
        query = select(Detection.id, Detection.survey).where(Detection.id.in_(chunk))
        for detection_id, survey in session.execute(query):
            by_survey[survey].append(detection_id)
    labels: dict[str, Consensus] = {}
    for survey, own in by_survey.items():
        known = (reviewers or {}).get(survey)
        labels |= _refresh_survey(session, survey, own, known)
    return labels


def _refresh_survey(
    session: Session,
    survey: str,
    detection_ids: Sequence[str],
    known: KnownReviewers | None,
) -> dict[str, Consensus]:
    rules = rules_of(session, survey)
    if known is None:
        weights = expert_weights(session, rules)
        known = known_reviewers(session, survey, rules, weights)
    gone = current_of(session, detection_ids)
    events = events_for(session, [id_ for id_ in detection_ids if id_ not in gone])
    said = {id_: [_said(event) for event in own] for id_, own in events.items()}
    standing = {id_: standing_votes(own) for id_, own in said.items()}
    found: dict[str, Consensus] = {}
    for id_, own in said.items():
        agreed = known.label(own)
        if agreed is not None:
            found[id_] = agreed
    given = _given(session, detection_ids, gone)
    for table in (VoteRow, Label):
        for chunk in in_chunks(detection_ids):
            session.execute(delete(table).where(table.detection_id.in_(chunk)))
    upsert(
        session,
        [
            _vote_row(id_, vote, events[id_])
            for id_, votes in sorted(standing.items())
            for vote in votes
        ],
    )
    upsert(
        session,
        [
            _label_row(id_, agreed, standing[id_], events[id_], given.get(id_))
            for id_, agreed in found.items()
        ],
    )
    doubts = _doubts(session, standing, events)
    _place(session, detection_ids, standing, doubts, known)
    return found


def _given(
    session: Session, detection_ids: Sequence[str], gone: Mapping[str, str]
) -> dict[str, tuple[str, int]]:
    """Return each label as it was, and the event that gave it.

    That of a former detection is that of the current one which has none of its own.
    """
    given = {
        row[0]: (row[1], row[2])
        for chunk in in_chunks(detection_ids)
        for row in session.execute(
            select(Label.detection_id, Label.label, Label.given_sequence).where(
                Label.detection_id.in_(chunk)
            )
        )
    }
    carried = {gone[id_]: was for id_, was in given.items() if id_ in gone}
    return carried | given


def _doubts(
    session: Session,
    standing: Mapping[str, Sequence[Event]],
    events: Mapping[str, Sequence[ValidationEvent]],
) -> dict[str, str]:
    """Return why answers that were carried over are asked for again, by detection.

    An answer of a reviewer on the detection itself settles every doubt.
    """
    doubts: dict[str, str] = {}
    for id_, former in former_of(session, standing).items():
        given_on = {event.sequence: event.detection_id for event in events[id_]}
        decisive = [vote for vote in standing[id_] if vote.label in DECISIVE]
        carried = {given_on[vote.sequence] for vote in decisive} - {id_}
        is_settled = any(
            vote.source == "person" and given_on[vote.sequence] == id_ for vote in decisive
        )
        if is_settled or not carried:
            continue
        answers = [
            (row.detection_id, vote)
            for row in former
            for vote in standing_votes(
                _said(event) for event in events[id_] if event.detection_id == row.detection_id
            )
        ]
        own = [row.doubt for row in former if row.doubt and row.detection_id in carried]
        if are_contradictory(answers):
            doubts[id_] = "contradictory"
        elif own:
            doubts[id_] = min(own)
    return doubts


def _place(
    session: Session,
    detection_ids: Sequence[str],
    standing: Mapping[str, Sequence[Event]],
    doubts: Mapping[str, str],
    known: KnownReviewers,
) -> None:
    changed: list[dict[str, object]] = []
    for chunk in in_chunks(detection_ids):
        items = session.scalars(select(ReviewItem).where(ReviewItem.detection_id.in_(chunk)))
        for item in items:
            votes = standing.get(item.detection_id, [])
            people = [vote for vote in votes if vote.source == "person"]
            decisive = [vote for vote in people if vote.label in DECISIVE]
            agreement = known.agreement(decisive)
            state = queue_state(
                len(decisive), len(people), agreement, item.votes_wanted, known.rules
            )
            doubt = doubts.get(item.detection_id)
            if state == "retired" and doubt is not None:
                state = "second"
            place = "sample" if state == "new" and item.is_sample else state
            changed.append(
                {
                    "detection_id": item.detection_id,
                    "queue": item.queue if item.queue == "closed" else place,
                    "n_votes": len(decisive),
                    "gold_label": _gold(votes),
                    "doubt": doubt,
                }
            )
    if changed:
        session.execute(update(ReviewItem), changed)
        session.expire_all()


def _gold(votes: Sequence[Event]) -> str | None:
    """Return what somebody knows who needs no cutout, where they do not disagree."""
    known = {vote.label for vote in votes if vote.source in GOLD_SOURCES and vote.label in DECISIVE}
    return known.pop() if len(known) == 1 else None


def _said(event: ValidationEvent) -> Vote:
    return Vote(event.sequence, event.reviewer, event.label, event.source, event.classification)


def _vote_row(detection_id: str, vote: Event, events: Sequence[ValidationEvent]) -> VoteRow:
    event = next(event for event in events if event.sequence == vote.sequence)
    said = [
        other
        for other in events
        if (other.reviewer, other.source) == (event.reviewer, event.source)
        and other.label in DECISIVE
    ]
    return VoteRow(
        detection_id=detection_id,
        source=event.source,
        reviewer=event.reviewer,
        label=event.label,
        classification=event.classification,
        drawn_as=event.drawn_as,
        sequence=event.sequence,
        n_said=len(said),
        carried_from=_carried_from(detection_id, event),
        score_seen=event.score_seen,
    )


def _carried_from(detection_id: str, event: ValidationEvent) -> str | None:
    return None if event.detection_id == detection_id else event.detection_id


def _label_row(
    detection_id: str,
    agreed: Consensus,
    votes: Sequence[Event],
    events: Sequence[ValidationEvent],
    was: tuple[str, int] | None,
) -> Label:
    newest = max(vote.sequence for vote in votes if vote.source == agreed.source)
    event = next(event for event in events if event.sequence == newest)
    return Label(
        detection_id=detection_id,
        label=agreed.label,
        classification=agreed.classification,
        source=agreed.source,
        n_votes=agreed.n_votes,
        agreement=agreed.agreement,
        last_sequence=agreed.last_sequence,
        given_sequence=was[1] if was and was[0] == agreed.label else agreed.last_sequence,
        carried_from=_carried_from(detection_id, event),
    )
