"""The review page and what its script asks for: next candidates, saves, own numbers.

The page never learns why a candidate is shown, what others said, or, before the
decision, what the model thinks.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import select

from astrid_assets.science.labelling.classes import CLASSES
from astrid_assets.storage.database.tables.detections import DifferenceRun
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.database.tables.review import ValidationEvent
from astrid_assets.storage.queries import candidates
from astrid_assets.storage.review.carrying import current_of
from astrid_assets.storage.review.events import (
    MAX_KEY,
    MAX_NOTES,
    NoSuchDetection,
    Statement,
    StatementRefused,
    record_statement,
)
from astrid_assets.storage.review.queue import QueueRequest, release
from astrid_assets.storage.review.reviewer_stats import ReviewerStats, reviewer_stats
from astrid_assets.web.pages.templating import page_with_form
from astrid_assets.web.problems import Problem
from astrid_assets.web.security import (
    Person,
    check_csrf,
    current_reviewer,
    set_local_name,
    visitor,
)
from astrid_assets.web.state import WebState, state_of
from astrid_assets.web.texts import PlainText
from astrid_assets.web.views.detection import facts, scores_of, spot_of
from astrid_assets.web.views.facts import DetectionFacts
from astrid_assets.web.views.queue import lease_next
from astrid_assets.web.views.words import facts_in_words

router = APIRouter()

State = Annotated[WebState, Depends(state_of)]
Reviewer = Annotated[Person, Depends(current_reviewer)]
ShortText = Annotated[PlainText, StringConstraints(max_length=40)]

MAX_AT_ONCE = 20

KEYS = {
    "supernova": "1",
    "variable": "2",
    "asteroid": "3",
    "agn": "4",
    "other": "5",
    "dipole": "d",
    "saturation": "t",
    "trail": "l",
    "cosmic_ray": "c",
    "edge": "e",
    "ghost": "g",
    "bad_subtraction": "s",
}
"""The key that says a class, and with it real or bogus, in one stroke."""


class NextRequest(BaseModel, extra="forbid"):
    """How many more candidates the page asks for, and of which survey and night."""

    count: int = Field(default=6, ge=1, le=MAX_AT_ONCE)
    survey: ShortText | None = None
    night: ShortText | None = None


class Turn(BaseModel):
    """How its pictures were turned, and where north is then."""

    mirrored: bool
    quarter_turns: int
    north_deg: float


class Item(BaseModel):
    """One candidate on the page."""

    facts: DetectionFacts
    words: list[tuple[str, str]]
    planes: list[str]
    turn: Turn | None


class ReviewDecision(BaseModel, extra="forbid"):
    """What the page saves."""

    event_key: PlainText = Field(min_length=8, max_length=MAX_KEY)
    detection_id: PlainText = Field(max_length=36)
    label: Literal["real", "bogus", "unsure", "skip", "undo"]
    classification: ShortText | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)
    notes: Annotated[PlainText, StringConstraints(max_length=MAX_NOTES)] | None = None


class Saved(BaseModel):
    """The answer to a save: now the model's opinion may be seen."""

    sequence: int
    is_new: bool
    score: str


class Numbers(BaseModel):
    """One's own count and agreement, in words."""

    decided: int
    words: str


@router.get("/review")
def review_page(
    request: Request,
    state: State,
    survey: Annotated[PlainText | None, Query(max_length=40)] = None,
    night: Annotated[PlainText | None, Query(max_length=10)] = None,
) -> Response:
    """Show the page; its script fetches the candidates."""
    person = visitor(request)
    if person is None:
        return RedirectResponse("/login?then=/review", status_code=303)
    with state.catalogue.read() as session:
        surveys = list(session.scalars(select(Survey.name).order_by(Survey.name)))
    return page_with_form(
        request,
        "review.html",
        person=person,
        surveys=surveys,
        survey=survey or "",
        night=night or "",
        classes=CLASSES,
        keys=KEYS,
    )


@router.post("/review/name")
def choose_name(
    request: Request,
    name: Annotated[PlainText, Form(max_length=80)],
    csrf: Annotated[PlainText, Form(max_length=200)],
) -> Response:
    """Remember the name somebody labels under on this machine."""
    check_csrf(request, csrf)
    answer = RedirectResponse("/review", status_code=303)
    set_local_name(request, answer, name.strip())
    return answer


@router.post("/review/next")
def next_candidates(state: State, person: Reviewer, request: NextRequest) -> list[Item]:
    """Lease the next candidates and say what was measured of them."""
    state.queue.keep_up(state.catalogue)
    drawn = lease_next(
        state.catalogue,
        QueueRequest(person.name, request.survey or None, request.night or None),
        request.count,
        state.clock(),
    )
    return items_of(state, [item.detection_id for item in drawn])


@router.get("/review/items/{detection_id}")
def one_candidate(state: State, person: Reviewer, detection_id: PlainText) -> Item:
    """Return one candidate, as for an undo after the page was loaded again."""
    del person
    found = items_of(state, [detection_id])
    if not found:
        raise Problem(404, "there is no such detection", code="not-found")
    return found[0]


@router.post("/review/events")
def save(state: State, person: Reviewer, decision: ReviewDecision) -> Saved:
    """Record a decision; one that is sent twice with the same key is recorded once."""
    try:
        with state.catalogue.begin() as session:
            statement = Statement(reviewer=person.name, **decision.model_dump())
            recorded = record_statement(session, statement, state.clock())
            row = candidates.detections_by_ids(session, [decision.detection_id])
            score = scores_of(session, list(row.values())).get(decision.detection_id)
    except NoSuchDetection as error:
        raise Problem(404, str(error), code="not-found") from error
    except StatementRefused as error:
        raise Problem(422, str(error), code="refused") from error
    return Saved(
        sequence=recorded.event.sequence,
        is_new=recorded.is_new,
        score="" if score is None else score.words,
    )


@router.get("/review/last")
def last_decision(state: State, person: Reviewer) -> dict[str, str | None]:
    """Return the detection one decided last, so that it can be undone."""
    query = (
        select(ValidationEvent.detection_id, ValidationEvent.label)
        .where(ValidationEvent.reviewer == person.name, ValidationEvent.source == "person")
        .order_by(ValidationEvent.sequence.desc())
        .limit(1)
    )
    with state.catalogue.read() as session:
        row = session.execute(query).first()
        if row is None or row[1] == "undo":
            return {"detection_id": None}
        # Made anew since then: what was said counts at the current one.
        current = current_of(session, [row[0]])
    return {"detection_id": current.get(row[0], row[0])}


@router.get("/review/numbers")
def own_numbers(state: State, person: Reviewer) -> Numbers:
    """Return one's own count and agreement."""
    with state.catalogue.read() as session:
        own = reviewer_stats(session, reviewer=person.name)
    if not own:
        return Numbers(decided=0, words="nothing decided yet")
    return Numbers(decided=own[0].decided, words=numbers_in_words(own[0]))


@router.post("/review/release", status_code=204)
def give_back(state: State, person: Reviewer) -> None:
    """Give back what is on the screen, so that others may get it."""
    with state.catalogue.begin() as session:
        release(session, person.name)


def items_of(state: WebState, detection_ids: list[str]) -> list[Item]:
    """Return candidates as the page shows them, in the order asked for."""
    with state.catalogue.read() as session:
        known = candidates.detections_by_ids(session, detection_ids)
        rows = [known[id_] for id_ in detection_ids if id_ in known]
        query = select(DifferenceRun).where(
            DifferenceRun.id.in_({row.difference_id for row in rows})
        )
        runs = {run.id: run for run in session.scalars(query)}
        measured = facts(session, rows, state.planes)
    found = []
    for row, fact in zip(rows, measured, strict=True):
        run = runs[row.difference_id]
        stamps = state.planes.stamps(spot_of(row, run.difference_key, run.method))
        turn = stamps.orientation
        found.append(
            Item(
                facts=fact,
                words=facts_in_words(fact),
                planes=[name for name, plane in stamps.planes if plane is not None],
                turn=None
                if turn is None
                else Turn(
                    mirrored=turn.mirrored,
                    quarter_turns=turn.quarter_turns,
                    north_deg=turn.north_deg,
                ),
            )
        )
    return found


def numbers_in_words(own: ReviewerStats) -> str:
    """Return count and agreement as one line."""
    parts = [f"{own.decided} decided, {own.real} real"]
    for share, words in (
        (own.with_others, "agree with others"),
        (own.gold, "right on known ones"),
        (own.repeats, "the same at a repeat"),
    ):
        if share.value is not None:
            parts.append(f"{np.floor(100 * share.value):.0f} % {words} ({share.total})")
    return " · ".join(parts)
