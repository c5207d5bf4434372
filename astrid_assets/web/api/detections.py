"""Detections: search, one with its history, and what reviewers said about it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from astrid_assets.science.mask_bits import MaskBit, mask_names
from astrid_assets.storage.database.tables.detections import DifferenceRun
from astrid_assets.storage.queries import candidates, search
from astrid_assets.storage.queries.search import Cone, DetectionFilter, FoundDetection
from astrid_assets.storage.review import events as review_events
from astrid_assets.storage.review import labels
from astrid_assets.storage.review import queue as review_queue
from astrid_assets.storage.review.events import Statement
from astrid_assets.storage.review.score_opinions import opinions_of
from astrid_assets.storage.review.shown_scores import note_shown
from astrid_assets.web.api.common import (
    Band,
    Cursor,
    DetectionId,
    Field,
    Limit,
    Looker,
    Night,
    State,
    SurveyName,
    Writer,
    mjd_of,
    night_text,
    text_id,
    time_of,
)
from astrid_assets.web.api.cutouts import FORMATS, planes_of
from astrid_assets.web.problems import Problem, not_found, responses
from astrid_assets.web.schemas import (
    BlindDetection,
    DetectionDetail,
    DetectionOut,
    EventIn,
    EventOut,
    Id,
    PageOf,
    ScoreOut,
    SourceWord,
    Text,
)
from astrid_assets.web.texts import Moment  # noqa: TC001  FastAPI reads the annotations

router = APIRouter(tags=["detections"])

Flag = Literal[
    "bad",
    "saturated",
    "cosmic_ray",
    "trail",
    "halo",
    "edge",
    "no_data",
    "interpolated",
    "hot",
    "spike",
    "bleeding",
]
MAX_RADIUS_ARCSEC = 36_000.0  # ten degrees


@router.get("/detections", name="detections", responses=responses(422))
def list_detections(
    state: State,
    person: Looker,
    flag: Annotated[
        list[Flag],
        Query(default_factory=list, description="With one of these mask bits within one FWHM."),
    ],
    without_flag: Annotated[
        list[Flag],
        Query(default_factory=list, description="With none of these mask bits within one FWHM."),
    ],
    survey: SurveyName = None,
    night: Night = None,
    start: Annotated[
        Moment | None, Query(description="Observed then or later; UTC unless a zone is given.")
    ] = None,
    end: Annotated[
        Moment | None,
        Query(description="Observed then or earlier; UTC unless a zone is given."),
    ] = None,
    ra: Annotated[
        float | None,
        Query(ge=0, le=360, description="Right ascension of the cone's axis in degrees (ICRS)."),
    ] = None,
    dec: Annotated[
        float | None,
        Query(ge=-90, le=90, description="Declination of the cone's axis in degrees (ICRS)."),
    ] = None,
    radius_arcsec: Annotated[
        float, Query(gt=0, le=MAX_RADIUS_ARCSEC, description="Radius of the cone in arcsec.")
    ] = 5.0,
    field: Field = None,
    band: Band = None,
    min_score: Annotated[
        float | None, Query(allow_inf_nan=False, description="This score or a higher one.")
    ] = None,
    max_score: Annotated[
        float | None, Query(allow_inf_nan=False, description="This score or a lower one.")
    ] = None,
    score_kind: Annotated[
        Literal["model", "snr_ranking"] | None,
        Query(description="Scored by a model, or only ranked by S/N."),
    ] = None,
    min_sigma: Annotated[
        float | None,
        Query(
            allow_inf_nan=False,
            description="This size of S_corr or more, in sigma, of either sign.",
        ),
    ] = None,
    sign: Annotated[
        Literal["1", "-1"] | None,
        Query(description="1: brighter than in the reference; -1: fainter."),
    ] = None,
    label: Annotated[
        Literal["real", "bogus", "disputed", "unsure", "none"] | None,
        Query(description="With this label; `none`: without any."),
    ] = None,
    label_source: Annotated[
        SourceWord | None, Query(description="Labelled by votes from this source.")
    ] = None,
    object_id: Annotated[Id | None, Query(description="Only of the object with this id.")] = None,
    name: Annotated[
        Text | None, Query(description="Only of the object, or the detection, of this name.")
    ] = None,
    sort: Annotated[
        Literal["newest", "oldest", "score"],
        Query(description="By time of observation, or by score with the highest first."),
    ] = "newest",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> PageOf[DetectionOut]:
    """Search detections by position, time, score, flags, survey and label.

    A cone takes ra and dec together. A reviewer's answer on a detection that they are asked
    about and got the score of here counts as given after the score.
    """
    if (ra is None) != (dec is None):
        raise Problem(422, "a position takes both ra and dec, in degrees", code="invalid")
    wanted = DetectionFilter(
        survey=survey,
        night=night_text(night),
        field=field,
        band=band,
        cone=None if ra is None or dec is None else Cone(ra, dec, radius_arcsec),
        start_mjd=None if start is None else mjd_of(start),
        end_mjd=None if end is None else mjd_of(end),
        min_score=min_score,
        max_score=max_score,
        score_kind=score_kind,
        min_sigma=min_sigma,
        sign=None if sign is None else int(sign),
        with_mask=_bits(flag),
        without_mask=_bits(without_flag),
        label=label,
        label_source=label_source,
        object_id=None if object_id is None else text_id(object_id),
        name=name,
    )
    with state.catalogue.read() as session:
        page = search.search_detections(session, wanted, sort=sort, limit=limit, cursor=cursor)
        asked = (
            review_queue.not_yet_answered(
                session, person.name, [row.detection_id for row in page.rows]
            )
            if person
            else frozenset()
        )
        said = opinions_of(session, page.rows)
    if person and asked:
        note_shown(state.catalogue, person.name, asked, state.clock())
    items = [
        DetectionOut.model_validate(_values(row) | {"opinion": said.get(row.detection_id)})
        for row in page.rows
    ]
    return PageOf(items=items, next=page.cursor)


@router.get("/detections/{detection_id}", responses=responses(404, 422))
def detection(state: State, person: Looker, detection_id: DetectionId) -> DetectionDetail:
    """Return one detection with its scores and the addresses of its cutouts.

    A reviewer's first answer on it after this counts as given after the score.
    """
    id_ = text_id(detection_id)
    with state.catalogue.read() as session:
        found = search.find_detection(session, id_)
        if found is None:
            raise not_found("detection", id_)
        scores = candidates.scores(session, id_)
        events = labels.events_for(session, [id_]).get(id_, [])
        run = session.get_one(DifferenceRun, found.difference_id)
        said = opinions_of(session, [found])
    if person and person.may("reviewer"):
        note_shown(state.catalogue, person.name, [id_], state.clock())
    cutouts = {
        f"{plane}.{kind}": f"/detections/{id_}/cutouts/{plane}.{kind}"
        for plane in planes_of(run)
        for kind in FORMATS
    }
    return DetectionDetail.model_validate(
        _values(found)
        | {
            "opinion": said.get(id_),
            "scores": [ScoreOut.model_validate(score) for score in scores],
            "n_events": len(events),
            "method": run.method,
            "cutouts": cutouts,
        }
    )


@router.get("/detections/{detection_id}/validation-events", responses=responses(404, 422))
def events(state: State, detection_id: DetectionId) -> list[EventOut]:
    """Return everything that was said about a detection, oldest first."""
    id_ = text_id(detection_id)
    with state.catalogue.read() as session:
        said = labels.events_for(session, [id_]).get(id_, [])
        if not said and search.find_detection(session, id_) is None:
            raise not_found("detection", id_)
    return [EventOut.model_validate(event) for event in said]


@router.post(
    "/detections/{detection_id}/validation-events",
    status_code=201,
    responses=responses(400, 413, 401, 403, 404, 409, 422) | {200: {"model": EventOut}},
)
def say(
    state: State, person: Writer, detection_id: DetectionId, body: EventIn, response: Response
) -> EventOut:
    """Keep what a reviewer says; the same key again answers 200 and adds nothing."""
    statement = Statement(
        event_key=body.event_key,
        detection_id=text_id(detection_id),
        reviewer=person.name,
        label=body.label,
        classification=body.classification,
        confidence=body.confidence,
        notes=body.notes,
    )
    try:
        with state.catalogue.begin() as session:
            recorded = review_events.record_statement(session, statement, state.clock())
            event = EventOut.model_validate(recorded.event)
    except review_events.NoSuchDetection:
        raise not_found("detection", text_id(detection_id)) from None
    except review_events.StatementRefused as refused:
        raise Problem(422, str(refused), code="refused") from refused
    if not recorded.is_new:
        response.status_code = 200
        if (event.label, event.classification) != (body.label, body.classification):
            raise Problem(
                409,
                f"the event key {body.event_key} was used for another statement: send "
                "a new key with a new decision",
                code="key-used",
            )
    return event


def blind(row: FoundDetection) -> BlindDetection:
    """Return a detection as a reviewer meets it."""
    return BlindDetection.model_validate(_values(row))


def _bits(names: list[Flag]) -> int:
    bits = 0
    for name in names:
        bits |= MaskBit[name.upper()]
    return bits


def _values(row: FoundDetection) -> dict[str, object]:
    return vars(row) | {
        "observed_at": time_of(row.observed_mjd),
        "mask": mask_names(row.mask_bits),
    }
