"""The review queue, the export of labels, and logging in."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from astrid_assets.storage.queries import search
from astrid_assets.storage.review import queue as review_queue
from astrid_assets.web.api.common import State, SurveyName, Writer, night_text
from astrid_assets.web.api.detections import blind
from astrid_assets.web.problems import responses
from astrid_assets.web.schemas import (
    BlindDetection,
    LoginIn,
    NextIn,
    PersonOut,
    QueueOut,
    SourceWord,
    Text,
)
from astrid_assets.web.security import (
    Person,
    log_in,
    log_out,
    login_needed,
    visitor,
)
from astrid_assets.web.views.queue import lease_next

Suffix = Literal["csv", "jsonl", "parquet"]

router = APIRouter(tags=["reviewing"])
session_router = APIRouter(tags=["service"])


@router.get("/queues", responses=responses(422))
def queues(state: State, survey: SurveyName = None) -> QueueOut:
    """Count the detections in each state of the review queue."""
    with state.catalogue.read() as session:
        waiting = review_queue.waiting(session, survey)
    return QueueOut(survey=survey, waiting=waiting)


@router.post("/queues/next", responses=responses(400, 413, 401, 403, 422))
def next_items(state: State, person: Writer, body: NextIn) -> list[BlindDetection]:
    """Lease the next detections to a reviewer; nobody else gets them meanwhile.

    Neither the reason nor scores nor what others said come along. An empty list:
    nothing is left.
    """
    request = review_queue.QueueRequest(person.name, body.survey, night_text(body.night))
    state.queue.keep_up(state.catalogue)
    drawn = lease_next(state.catalogue, request, body.count, state.clock())
    with state.catalogue.read() as session:
        found = [search.find_detection(session, item.detection_id) for item in drawn]
    return [blind(row) for row in found if row is not None]


@router.get(
    "/export/labels.{suffix}",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "the file",
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/x-ndjson": {"schema": {"type": "string"}},
                "application/vnd.apache.parquet": {
                    "schema": {"type": "string", "format": "binary"}
                },
            },
        }
    }
    | responses(422),
)
def export(
    state: State,
    suffix: Annotated[Suffix, Path(description="Format of the file.")],
    survey: Annotated[
        list[Text], Query(default_factory=list, description="Only of these surveys; repeatable.")
    ],
    source: Annotated[
        list[SourceWord],
        Query(default_factory=list, description="Only from these sources; repeatable."),
    ],
    after_sequence: Annotated[
        int,
        Query(ge=0, le=2**62, description="Only events newer than the one of this number."),
    ] = 0,
) -> StreamingResponse:
    """Return every event with reviewer, time, label, and what was shown."""
    from astrid_assets.steps.validated_labels.exporting import EVENT_COLUMNS, exported_events
    from astrid_assets.steps.validated_labels.files import MEDIA_TYPES, written

    rows = exported_events(
        state.catalogue,
        surveys=survey,
        sources=source,
        after_sequence=after_sequence,
    )
    return StreamingResponse(
        written(rows, EVENT_COLUMNS, suffix),
        media_type=MEDIA_TYPES[suffix],
        headers={"Content-Disposition": f'attachment; filename="labels.{suffix}"'},
    )


@session_router.post("/session", responses=responses(400, 413, 401, 403, 422, 429))
def login(request: Request, response: Response, body: LoginIn) -> PersonOut:
    """Log in with name and password; the answer sets the cookie."""
    person = log_in(request, response, body.name, body.password)
    return PersonOut.model_validate(person)


@session_router.get("/session", responses=responses(401, 403, 422, 429))
def whoami(person: Annotated[Person | None, Depends(visitor)]) -> PersonOut:
    """Return who is asking."""
    if person is None:
        raise login_needed()
    return PersonOut.model_validate(person)


@session_router.delete("/session", status_code=204, responses=responses(429))
def logout(request: Request, response: Response) -> None:
    """Log out."""
    log_out(request, response)
