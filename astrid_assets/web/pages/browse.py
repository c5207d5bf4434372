"""Pages for looking around: nights, objects, detections, explanations, learning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import select

from astrid_assets.science.detection.candidate import reason_names
from astrid_assets.science.detection.measurements import MEASUREMENTS
from astrid_assets.science.mask_bits import mask_names
from astrid_assets.steps.explain.explain import explain
from astrid_assets.steps.learning.evaluation_pictures import CAPTIONS
from astrid_assets.storage.database.tables.detections import SkyObject
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.database.tables.learning import Model, TrainingDataset, TrainingRun
from astrid_assets.storage.database.tables.nights import NightSummary
from astrid_assets.storage.queries import candidates, datasets, models
from astrid_assets.storage.queries.naming import position_of
from astrid_assets.storage.review import labels, reviewer_stats
from astrid_assets.storage.review import queue as review_queue
from astrid_assets.storage.review.reliability import ASSET as LEARNED
from astrid_assets.storage.review.shown_scores import note_shown
from astrid_assets.web.pages.templating import page
from astrid_assets.web.problems import Problem, not_found
from astrid_assets.web.security import Person, reader
from astrid_assets.web.state import WebState, state_of
from astrid_assets.web.texts import PlainText
from astrid_assets.web.views.detection import detection_views, scores_of
from astrid_assets.web.views.facts import links
from astrid_assets.web.views.light_curve import light_curve
from astrid_assets.web.views.lineage import lineage
from astrid_assets.web.views.models import model_view
from astrid_assets.web.views.night import night_view, survey_nights
from astrid_assets.web.views.words import degrees, facts_in_words, hours

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from astrid_assets.web.views.detection import DetectionView

router = APIRouter(dependencies=[Depends(reader)])

State = Annotated[WebState, Depends(state_of)]
Visitor = Annotated[Person | None, Depends(reader)]
Text = Annotated[PlainText | None, Query(max_length=40)]

CURVE_ROWS = 500  # of an object's table; the picture shows all


@router.get("/")
def front(request: Request, state: State) -> Response:
    """Show the surveys and their newest nights."""
    with state.catalogue.read() as session:
        surveys = survey_nights(session)
        waiting = review_queue.waiting(session)
        champion = models.champion(session)
    return page(request, "home.html", surveys=surveys, waiting=waiting, champion=champion)


@router.get("/browse/nights/{survey}/{night}")
def night(
    request: Request,
    state: State,
    person: Visitor,
    survey: PlainText,
    night: PlainText,
    page_number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> Response:
    """Show a night: frames, quality, differences, detections."""
    with state.catalogue.read() as session:
        view = night_view(session, survey, night, page_number)
        if not view.frames:
            raise not_found("night", f"{night} of {survey}")
        ids = [row.detection_id for row in view.detections]
        known = labels.labels_for(session, ids)
        scores = scores_of(session, view.detections)
        hidden = _hidden(person, session, ids)
    return page(request, "night.html", view=view, labels=known, scores=scores, hidden=hidden)


@router.get("/browse/pictures/{survey}/{night}/{number}")
def night_picture(state: State, survey: PlainText, night: PlainText, number: int) -> Response:
    """Return one of the pictures that the steps drew of a night."""
    with state.catalogue.read() as session:
        pictures = list(night_view(session, survey, night).pictures.values())
    if not 0 <= number < len(pictures):
        raise not_found("picture", str(number))
    kind = "image/svg+xml" if pictures[number].endswith(".svg") else "image/png"
    return Response(state.store.get(pictures[number]), media_type=kind)


@router.get("/browse/objects/{object_id}")
def object_page(request: Request, state: State, person: Visitor, object_id: PlainText) -> Response:
    """Show an object: its light curve and its detections."""
    with state.catalogue.read() as session:
        place = session.get(SkyObject, object_id)
        if place is None:
            raise not_found("object", object_id)
        curve = light_curve(session, object_id)
        seen = candidates.detections_of_object(session, object_id)[-CURVE_ROWS:]
        ids = [row.detection_id for row in seen]
        known = labels.labels_for(session, ids)
        scores = scores_of(session, seen)
        hidden = _hidden(person, session, ids)
    return page(
        request,
        "object.html",
        place=place,
        position=f"{hours(place.ra_deg)} {degrees(place.dec_deg)}",
        links=links(place.ra_deg, place.dec_deg),
        curve=curve,
        seen=seen,
        labels=known,
        scores=scores,
        hidden=hidden,
    )


@router.get("/browse/detections/{detection_id}")
def detection_page(
    request: Request, state: State, person: Visitor, detection_id: PlainText
) -> Response:
    """Show a detection with its lineage, from the raw frame to trained models.

    A reviewer who is asked about it sees what was measured, and the rest after the answer. To
    another one the score is shown, and an answer after that is not blind.
    """
    with state.catalogue.read() as session:
        line = lineage(session, detection_id)
        if line is None:
            raise not_found("detection", detection_id)
        row = candidates.detections_by_ids(session, [detection_id])
        view = detection_views(session, list(row.values()), state.planes)
        hidden = _hidden(person, session, [detection_id])
    if person and person.may("reviewer") and not hidden:
        note_shown(state.catalogue, person.name, [detection_id], state.clock())
    return page(
        request,
        "detection.html",
        line=line,
        hidden=bool(hidden),
        view=view[0] if view else None,
        words=facts_in_words(view[0]) if view else [],
        failed=reason_names(line.candidate.reasons),
        mask=mask_names(line.candidate.mask_bits),
        measured=_measured(state, view[0]) if view else [],
    )


def _measured(state: WebState, view: DetectionView) -> list[tuple[str, float | None, str]]:
    """Return name, value and meaning of what the model is given beside the pixels."""
    found = state.planes.measurements(view.cutout_key, view.cutout_index)
    if all(value is None for value in found.values()):
        return []
    return [(name, value, MEASUREMENTS[name]) for name, value in found.items()]


@router.get("/browse/explain")
def explain_page(
    request: Request,
    state: State,
    name: Annotated[PlainText, Query(max_length=40)] = "",
    ra: Annotated[float | None, Query(ge=-360, le=360)] = None,
    dec: Annotated[float | None, Query(ge=-90, le=90)] = None,
    survey: Text = None,
    date: Annotated[PlainText, Query(max_length=10)] = "",
) -> Response:
    """Say why there is a detection at a position, or why not."""
    with state.catalogue.read() as session:
        surveys = list(session.scalars(select(Survey.name).order_by(Survey.name)))
        if name.strip():
            ra, dec = position_of(session, name) or (None, None)
            if ra is None:
                raise not_found("object or detection", name)
    found = None
    if ra is not None and dec is not None:
        if survey and survey not in surveys:
            raise not_found("survey", survey)
        found = explain(state.catalogue, state.store, survey or None, ra % 360, dec, date or None)
    return page(
        request,
        "explain.html",
        called=name,
        surveys=surveys,
        ra=ra,
        dec=dec,
        survey=survey or "",
        date=date,
        found=found,
    )


@router.get("/browse/reviewers")
def reviewers(request: Request, state: State, survey: Text = None) -> Response:
    """Show the queues, how reviewers agree, and what their labels are worth."""
    with state.catalogue.read() as session:
        surveys = list(session.scalars(select(Survey.name).order_by(Survey.name)))
        if survey and survey not in surveys:
            raise not_found("survey", survey)
        agreement = reviewer_stats.agreement(session, survey or None)
        waiting = review_queue.waiting(session, survey or None)
        learned = {
            row.survey: row.summary
            for row in session.scalars(
                select(NightSummary).where(NightSummary.asset == LEARNED, NightSummary.night == "")
            )
            if not survey or row.survey == survey
        }
    return page(
        request,
        "reviewers.html",
        surveys=surveys,
        survey=survey or "",
        agreement=agreement,
        waiting=waiting,
        learned=learned,
    )


@router.get("/browse/datasets")
def datasets_page(request: Request, state: State) -> Response:
    """Show the frozen dataset versions."""
    with state.catalogue.read() as session:
        found = datasets.all_datasets(session)
    return page(request, "datasets.html", datasets=found)


@router.get("/browse/datasets/{dataset_id}")
def one_dataset(request: Request, state: State, dataset_id: PlainText) -> Response:
    """Show a dataset: its splits, its quality, the models trained on it."""
    with state.catalogue.read() as session:
        found = session.get(TrainingDataset, dataset_id)
        if found is None:
            raise not_found("dataset", dataset_id)
        splits = datasets.split_counts(session, dataset_id)
        runs = list(
            session.scalars(select(TrainingRun).where(TrainingRun.dataset_id == dataset_id))
        )
    return page(request, "dataset.html", dataset=found, splits=splits, runs=runs)


@router.get("/browse/models")
def models_page(request: Request, state: State) -> Response:
    """Show the models, and every decision about which is in force."""
    with state.catalogue.read() as session:
        found = models.all_models(session)
        champion = models.champion(session)
        decisions = models.deployments(session)[::-1]
        runs = {run.id: run for run in models.training_runs(session)}
        folds = models.cross_validations(session)
    return page(
        request,
        "models.html",
        models=found,
        champion=champion,
        decisions=decisions,
        runs=runs,
        folds=folds,
    )


@router.get("/browse/models/{model_id}")
def one_model(request: Request, state: State, model_id: PlainText) -> Response:
    """Show a model: its evaluations with pictures, and what to expect of new nights."""
    with state.catalogue.read() as session:
        found = session.get(Model, model_id)
        if found is None:
            raise not_found("model", model_id)
        view = model_view(session, found)
    return page(request, "model.html", view=view, captions=CAPTIONS)


def _hidden(person: Person | None, session: Session, detection_ids: list[str]) -> frozenset[str]:
    """Return the detections whose scores and labels this person may not see yet."""
    if person is None:
        return frozenset()
    return review_queue.not_yet_answered(session, person.name, detection_ids)


def error_page(request: Request, problem: Problem) -> Response:
    """Draw a problem as a page; the API answers the same as JSON."""
    if problem.status == 401:
        # A header takes neither line ends nor most of Unicode; a path may hold both.
        then = quote(request.scope["path"])
        return Response(status_code=303, headers={"Location": f"/login?then={then}"})
    answer = page(request, "problem.html", problem.status, problem=problem)
    answer.headers.update(problem.headers)
    return answer
