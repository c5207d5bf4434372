"""Deployments: have a model judged and deployed, see how it stands, take it back.

Both are work for the graph: Dagster runs them, and a deployment is named by the id of its
run, or by the number of its row in the catalogue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from astrid_assets.steps.learning.settings import DEPLOYMENT_TAG, REQUESTED_BY
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.database.tables.learning import Deployment, Model
from astrid_assets.storage.queries import models
from astrid_assets.storage.queries.deployment_outcomes import outcome_of
from astrid_assets.web.api.common import Admin, State, text_id
from astrid_assets.web.dagster_client import DagsterClient, Run
from astrid_assets.web.problems import Problem, not_found, responses
from astrid_assets.web.schemas import Id
from astrid_assets.web.schemas_ml import DeployIn, DeploymentOut, JobOut, RollbackIn

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

router = APIRouter(prefix="/ml/deployment", tags=["ml"])

DEPLOY_JOB, DEPLOY_ASSET = "deployment_job", "deployed_model"
ROLLBACK_JOB, ROLLBACK_OP = "rollback_job", "rollback"
LARGEST = 2**63 - 1
DeploymentId = Annotated[
    Annotated[int, Field(ge=1, le=LARGEST)] | Id,
    Path(description="Id of the run, as the start answered, or number of the decision."),
]


@router.post("/deploy", status_code=202, responses=responses(400, 404, 413, 401, 403, 422, 503))
def start_deployment(state: State, person: Admin, body: DeployIn) -> JobOut:
    """Compare a model with the one in force and deploy it if it is better, as a run to follow."""
    because = (body.because or "").strip()
    if body.force and not because:
        raise Problem(422, "because: a forced deployment needs its reason", code="invalid")
    config: dict[str, object] = {"survey": body.survey or ""}
    with state.catalogue.read() as session:
        _check_survey(session, body.survey)
        if body.model_id is not None:
            config["model"] = _model(session, text_id(body.model_id)).id
        elif models.newest_model(session) is None:
            raise not_found("model", "trained")
    if because and not body.force:
        raise Problem(422, "because: only a forced deployment keeps a reason", code="invalid")
    if body.force:
        config["force_because"] = because
    client = DagsterClient(state.settings.dagster_url)
    tags = {REQUESTED_BY: person.name}
    return _told(client, client.launch(DEPLOY_JOB, DEPLOY_ASSET, config, tags))


@router.post("/rollback", status_code=202, responses=responses(400, 404, 413, 401, 403, 422, 503))
def start_rollback(state: State, person: Admin, body: RollbackIn) -> JobOut:
    """Put an earlier model in force again, as a run to follow.

    A survey goes back to the common champion with `common`, and follows every later one.
    """
    because = body.because.strip()
    if not because:
        raise Problem(422, "because: a rollback needs its reason, in words", code="invalid")
    config: dict[str, object] = {"because": because, "survey": body.survey or ""}
    with state.catalogue.read() as session:
        _check_survey(session, body.survey)
        if body.to == models.COMMON:
            config["to"] = _common(session, body.survey or "")
        elif body.to is not None:
            config["to"] = _model(session, text_id(body.to)).id
        elif models.previous(session, body.survey or "") is None:
            raise Problem(422, "there is no earlier model to roll back to", code="invalid")
    client = DagsterClient(state.settings.dagster_url)
    tags = {REQUESTED_BY: person.name}
    run = client.launch(ROLLBACK_JOB, ROLLBACK_OP, config, tags, is_asset=False)
    return _told(client, run)


@router.get("/{deployment_id}/status", responses=responses(404, 422, 503))
def deployment_status(state: State, deployment_id: DeploymentId) -> DeploymentOut:
    """Say how a deployment stands: its run, what was decided, and what became of it."""
    if isinstance(deployment_id, int):
        with state.catalogue.read() as session:
            return _decision(session, deployment_id, DeploymentOut(status="success"))
    name = text_id(deployment_id)
    client = DagsterClient(state.settings.dagster_url)
    run = client.run(name)
    if run is None:
        raise not_found("deployment", name)
    told = DeploymentOut(**_told(client, run).model_dump())
    number = run.tags.get(DEPLOYMENT_TAG)
    if number is None:
        return told
    with state.catalogue.read() as session:
        return _decision(session, int(number), told)


def _decision(session: Session, number: int, told: DeploymentOut) -> DeploymentOut:
    row = session.get(Deployment, number)
    if row is None:
        raise not_found("deployment", str(number))
    model = session.get_one(Model, row.model_id)
    return told.model_copy(
        update={
            "deployment_id": row.sequence,
            "action": row.action,
            "state": outcome_of(session, row),
            "model_id": model.id,
            "version": model.version,
            "previous_model_id": row.previous_model_id,
            "survey": row.scope or None,
            "dataset_id": row.dataset_id,
            "reason": row.reason,
            "canary": row.canary,
            "decided_at": row.created_at,
        }
    )


def _common(session: Session, survey: str) -> str:
    if not survey or models.champion(session, survey) is None:
        rule = "only a survey that has a champion of its own goes back to `common`"
        told = f"{survey} follows the common one already" if survey else "name it in `survey`"
        raise Problem(422, f"{rule}: {told}", code="invalid")
    return models.COMMON


def _check_survey(session: Session, survey: str | None) -> None:
    # Empty is no survey, and does not mean all of them.
    if survey is not None and session.get(Survey, survey) is None:
        raise not_found("survey", survey)


def _model(session: Session, model_id: str) -> Model:
    found = session.get(Model, model_id)
    if found is None:
        raise not_found("model", model_id)
    return found


def _told(client: DagsterClient, run: Run) -> JobOut:
    return JobOut(
        job_id=run.run_id,
        status=run.status.lower(),
        follow=f"/ml/deployment/{run.run_id}/status",
        ui=client.page_of(run.run_id),
    )
