"""Trainings and searches for settings: start one, and see how it stands.

Both are work for the graph: Dagster runs them, and ``job_id`` is the id of its run. What
they found is read from the catalogue.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path
from pydantic import ValidationError

from astrid_assets.learning.search.settings import SearchSettings, check_search
from astrid_assets.learning.search.space import BadSpace, with_values
from astrid_assets.learning.settings import TrainingSettings
from astrid_assets.steps.learning.settings import REQUESTED_BY
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.tables.learning import Model, Search, TrainingDataset
from astrid_assets.storage.queries import datasets, searches
from astrid_assets.storage.queries.dataset_states import why_unusable
from astrid_assets.web.api.common import Admin, State, text_id
from astrid_assets.web.dagster_client import DagsterClient, Run
from astrid_assets.web.problems import Problem, not_found, responses
from astrid_assets.web.schemas import Id
from astrid_assets.web.schemas_ml import (
    JobOut,
    OptimizationIn,
    OptimizationOut,
    TrainingIn,
    TrainingStatusOut,
    TrialOut,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astrid_assets.storage.database.tables.learning import SearchTrial

router = APIRouter(prefix="/ml", tags=["ml"])

TRAINING_JOB, TRAINING_ASSET = "learning_job", "trained_unet"
TUNING_JOB, TUNING_OP = "tuning_job", "tuning"
SEARCH_TAG, METRICS_TAG = "astrid/search_id", "astrid/metrics"
JobId = Annotated[Id, Path(description="Id of the run, as the start answered.")]

SPLITS = {"validation_split": "val_fraction", "test_split": "test_fraction"}
"""The papers' names of what a dataset was collected with."""


@router.post(
    "/training/start", status_code=202, responses=responses(400, 404, 413, 401, 403, 422, 503)
)
def start_training(state: State, person: Admin, body: TrainingIn) -> JobOut:
    """Train a model on a dataset version, as a run to follow; it is not deployed."""
    _check_dataset(state, body)
    values = {**body.settings, **_losses(body.loss_function)}
    for paper, ours in (
        ("batch_size", "batch_size"),
        ("epochs", "epochs"),
        ("learning_rate", "learning_rate"),
        ("optimizer", "optimiser"),
    ):
        if (value := getattr(body, paper)) is not None:
            values[ours] = value
    _checked_settings(values)
    config = {
        **values,
        **({"dataset_id": text_id(body.dataset_path)} if body.dataset_path else {}),
        "use_best_settings": body.use_best_settings,
    }
    tags = {REQUESTED_BY: person.name}
    if body.metrics:
        tags[METRICS_TAG] = ",".join(body.metrics)
    client = DagsterClient(state.settings.dagster_url)
    return _told(client, client.launch(TRAINING_JOB, TRAINING_ASSET, config, tags), "training")


@router.get("/training/{job_id}/status", responses=responses(404, 422, 503))
def training_status(state: State, job_id: JobId) -> TrainingStatusOut:
    """Say how a training stands, and which model it made."""
    client, run = _run(state, job_id)
    told = _told(client, run, "training").model_dump()
    made = run.texts.get("onnx_sha256")
    with state.catalogue.read() as session:
        model = None if made is None else session.get(Model, ids.model_id(made))
    if model is None:
        return TrainingStatusOut(**told)
    wanted = [name for name in run.tags.get(METRICS_TAG, "").split(",") if name]
    found = flat_metrics(model.metrics)
    return TrainingStatusOut(
        **told,
        model_id=model.id,
        version=model.version,
        metrics={name: found.get(name) for name in wanted} if wanted else found,
    )


@router.post(
    "/optimization/start", status_code=202, responses=responses(400, 404, 413, 401, 403, 422, 503)
)
def start_optimization(state: State, person: Admin, body: OptimizationIn) -> JobOut:
    """Search for the settings that train best on a dataset, as a run to follow."""
    _check_dataset(state, body)
    settings = _checked_settings(dict(body.settings))
    try:
        search = SearchSettings(
            search=body.strategy,
            space=_space(body),
            trials=body.trials,
            minutes=body.minutes,
            metric=body.metric,
        )
        check_search(search, settings)
    except ValidationError as error:
        raise _refused(error) from error
    except BadSpace as error:
        raise Problem(422, str(error), code="invalid") from error
    config: dict[str, object] = {
        name: value for name, value in search.model_dump(mode="json").items() if value is not None
    }
    config["training"] = dict(body.settings)
    if body.dataset_path:
        config["dataset_id"] = text_id(body.dataset_path)
    client = DagsterClient(state.settings.dagster_url)
    tags = {REQUESTED_BY: person.name}
    run = client.launch(TUNING_JOB, TUNING_OP, config, tags, is_asset=False)
    return _told(client, run, "optimization")


@router.get("/optimization/{job_id}/results", responses=responses(404, 422, 503))
def optimization_results(state: State, job_id: JobId) -> OptimizationOut:
    """Say how a search stands, with all of its trials so far."""
    client, run = _run(state, job_id)
    told = _told(client, run, "optimization").model_dump()
    search_id = run.tags.get(SEARCH_TAG)
    with state.catalogue.read() as session:
        row = None if search_id is None else session.get(Search, search_id)
        trials = [] if row is None else searches.trials_of(session, row.id)
    if row is None:
        return OptimizationOut(**told)
    metric = str(row.search_params["metric"])
    return OptimizationOut(
        **told,
        search_id=row.id,
        dataset_id=row.dataset_id,
        state=row.status,
        reason=row.reason,
        metric=metric,
        best_settings=row.best_settings,
        importance=row.importance,
        trials=[_trial(trial, metric) for trial in trials],
        started_at=row.started_at,
        completed_at=row.completed_at,
    )


def flat_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of an evaluation by name, rankings with their intervals."""
    flat = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
    return flat | dict(metrics.get("model") or {})


def _check_dataset(state: State, body: TrainingIn | OptimizationIn) -> None:
    with state.catalogue.read() as session:
        if body.dataset_path is None:
            row = datasets.newest_dataset(session)
        else:
            row = session.get(TrainingDataset, text_id(body.dataset_path))
            if row is None:
                raise not_found("dataset", text_id(body.dataset_path))
    if row is not None and (reason := why_unusable(row)):
        raise Problem(422, reason, code="unusable")
    if row is None or not isinstance(body, TrainingIn):
        return
    for paper, ours in SPLITS.items():
        asked, frozen = getattr(body, paper), row.collection_params.get(ours)
        if asked is not None and frozen is not None and not math.isclose(asked, frozen):
            raise Problem(
                422,
                f"the splits are frozen with the dataset, whose {paper} is {frozen:g}: leave it "
                f"out, or collect a dataset with another {ours}",
                code="invalid",
            )


def _losses(word: str | None) -> dict[str, str]:
    """Return our two settings of a loss by the paper's word."""
    if word is None:
        return {}
    parts = word.split("_")
    pixels = [part for part in parts if part in {"bce", "focal"}]
    overlap = [part for part in parts if part in {"dice", "tversky"}]
    return {
        "pixel_loss": pixels[0] if pixels else "none",
        "overlap_loss": overlap[0] if overlap else "none",
    }


def _space(body: OptimizationIn) -> dict[str, object]:
    """Return the space by our names."""
    space: dict[str, object] = {name: list(values) for name, values in body.space.items()}
    for ours, ends, log in (
        ("learning_rate", body.learning_rate, True),
        ("depth", body.hidden_layers, False),
        ("dropout", body.dropout_rate, False),
        ("weight_decay", body.regularization, True),
    ):
        if ends is not None:
            space[ours] = {"low": ends[0], "high": ends[1], "log": log}
    for ours, values in (
        ("batch_size", body.batch_size),
        ("activation", body.activation),
        ("optimiser", body.optimizer),
    ):
        if values is not None:
            space[ours] = list(values)
    return space


def _checked_settings(values: Mapping[str, object]) -> TrainingSettings:
    try:
        return with_values(TrainingSettings(), values)
    except ValidationError as error:
        raise _refused(error) from error


def _refused(error: ValidationError) -> Problem:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return Problem(422, f"{place}: {first['msg']}" if place else first["msg"], code="invalid")


def _trial(trial: SearchTrial, metric: str) -> TrialOut:
    kept = min(trial.history, key=lambda epoch: epoch["val_loss"], default=None)
    return TrialOut(
        number=trial.number,
        values=trial.values,
        status=trial.status,
        epochs=len(trial.history),
        metric=None if kept is None else kept[metric],
        error=trial.error,
        seconds=trial.seconds,
    )


def _run(state: State, job_id: Id) -> tuple[DagsterClient, Run]:
    client = DagsterClient(state.settings.dagster_url)
    found = client.run(text_id(job_id))
    if found is None:
        raise not_found("job", text_id(job_id))
    return client, found


def _told(client: DagsterClient, run: Run, kind: str) -> JobOut:
    last = "status" if kind == "training" else "results"
    return JobOut(
        job_id=run.run_id,
        status=run.status.lower(),
        follow=f"/ml/{kind}/{run.run_id}/{last}",
        ui=client.page_of(run.run_id),
    )
