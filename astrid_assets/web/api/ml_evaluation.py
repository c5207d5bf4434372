"""Evaluations of models: have one made, and read what is known of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path

from astrid_assets.steps.learning.settings import REQUESTED_BY
from astrid_assets.storage.database.tables.learning import Model, TrainingDataset
from astrid_assets.storage.queries import models
from astrid_assets.web.api.common import Admin, State, text_id
from astrid_assets.web.dagster_client import DagsterClient
from astrid_assets.web.problems import not_found, responses
from astrid_assets.web.schemas import Id
from astrid_assets.web.schemas_ml import EvaluateIn, EvaluationMetricsOut, JobOut

if TYPE_CHECKING:
    from collections.abc import Mapping

router = APIRouter(prefix="/ml/evaluation", tags=["ml"])

JOB, OP = "evaluation_job", "evaluation"
ModelId = Annotated[Id, Path(description="Id of the model.")]


@router.post("/evaluate", status_code=202, responses=responses(400, 404, 413, 401, 403, 422, 503))
def start_evaluation(state: State, person: Admin, body: EvaluateIn) -> JobOut:
    """Judge a model on what it never saw of a dataset version, as a run to follow."""
    config: dict[str, object] = {}
    with state.catalogue.read() as session:
        if body.dataset_path is not None:
            config["dataset_id"] = text_id(body.dataset_path)
            if session.get(TrainingDataset, text_id(body.dataset_path)) is None:
                raise not_found("dataset", text_id(body.dataset_path))
        if body.model_id is not None:
            config["model"] = text_id(body.model_id)
            if session.get(Model, text_id(body.model_id)) is None:
                raise not_found("model", text_id(body.model_id))
        model = None if body.model_id else models.champion(session) or models.newest_model(session)
        if body.model_id is None and model is None:
            raise not_found("model", "in force")
    client = DagsterClient(state.settings.dagster_url)
    run = client.launch(JOB, OP, config, {REQUESTED_BY: person.name}, is_asset=False)
    judged = config.get("model") or (model.id if model else "")
    return JobOut(
        job_id=run.run_id,
        status=run.status.lower(),
        follow=f"/ml/evaluation/{judged}/metrics",
        ui=client.page_of(run.run_id),
    )


@router.get("/{model_id}/metrics", responses=responses(404, 422))
def evaluation_metrics_of(state: State, model_id: ModelId) -> EvaluationMetricsOut:
    """Return the newest evaluation of a model, else the one that its training made."""
    with state.catalogue.read() as session:
        model = session.get(Model, text_id(model_id))
        if model is None:
            raise not_found("model", text_id(model_id))
        newest = next(iter(models.evaluations_of(session, model.id)), None)
    found: Mapping[str, Any] = model.metrics if newest is None else newest.metrics
    ranking = found.get("model") or {}
    return EvaluationMetricsOut(
        model_id=model.id,
        dataset_id=None if newest is None else newest.dataset_id,
        evaluated_at=model.created_at if newest is None else newest.created_at,
        threshold=found.get("threshold", model.threshold),
        accuracy=found.get("accuracy"),
        precision=found.get("purity"),
        recall=found.get("completeness"),
        f1_score=found.get("f1"),
        auc_roc=_value(ranking.get("roc_auc")),
        auc_pr=_value(ranking.get("average_precision")),
        confusion_matrix=_confusion(found),
        classification_report=found.get("report") or {},
        custom_metrics={
            **{name: value for name, value in ranking.items() if name not in PAPERS},
            **{name: found[name] for name in ("mcc", "calibration_error") if name in found},
            **(found.get("own_metrics") or {}),
        },
    )


PAPERS = {"roc_auc", "average_precision"}
"""Numbers of a ranking that have a field of their own."""


def _value(interval: Mapping[str, float] | None) -> float | None:
    return None if interval is None else interval.get("value")


def _confusion(found: Mapping[str, Any]) -> list[list[int]] | None:
    rows = (
        ("true_negatives", "false_positives"),
        ("false_negatives", "true_positives"),
    )
    if not all(name in found for row in rows for name in row):
        return None
    return [[int(found[name]) for name in row] for row in rows]
