"""Queries on models and on which of them is in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from astrid_assets.storage.database.tables.detections import (
    CandidateRow,
    Detection,
    DifferenceRun,
)
from astrid_assets.storage.database.tables.learning import (
    Deployment,
    Model,
    ModelEvaluation,
    TrainingRun,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

IN_FORCE = ("deploy", "rollback")
COMMON = "common"
"""The survey has no champion of its own any more: the common one scores it again."""
CHANGES = (*IN_FORCE, COMMON)
"""Decisions after which another model scores, or may."""
TAKEN_BACK = ("rollback", COMMON)
FALL = "fall"
"""Key among a decision's metrics: what was found of the model since."""


def champion(session: Session, scope: str = "") -> Model | None:
    """Return the model in force in a scope: that of its newest deploy or rollback.

    Parameters
    ----------
    scope
        A survey, for the champion that is its own; empty: the common one.
    """
    newest_row = in_force(session, scope)
    return None if newest_row is None else session.get_one(Model, newest_row.model_id)


def champion_of_survey(session: Session, survey: str) -> Model | None:
    """Return the model that scores a survey: its own champion, else the common one."""
    return champion(session, survey) or champion(session)


def in_force(session: Session, scope: str = "") -> Deployment | None:
    """Return the row that put the champion of a scope in force; None where it has none."""
    last = last_change(session, scope)
    return None if last is None or last.action == COMMON else last


def last_change(session: Session, scope: str = "") -> Deployment | None:
    """Return the newest row that changed which model scores a scope."""
    return session.scalar(_changes(scope).limit(1))


def number_to_follow(session: Session, scope: str = "") -> int:
    """Return the number of the row that the next change of a scope follows; 0 for the first."""
    last = last_change(session, scope)
    return 0 if last is None else last.sequence


def note_fall(session: Session, reason: str) -> None:
    """Keep with the row in force why its model is said to have fallen against its own figure."""
    row = in_force(session)
    if row is not None:
        row.metrics = {**row.metrics, FALL: reason}


def noted_fall(session: Session) -> str | None:
    """Return why the common champion is said to have fallen; None where it is not."""
    row = in_force(session)
    return None if row is None else row.metrics.get(FALL)


def scopes(session: Session) -> list[str]:
    """Return the scopes that have a champion, the common one (empty) first."""
    query = select(Deployment.scope).where(Deployment.action.in_(IN_FORCE)).distinct()
    return sorted(scope for scope in session.scalars(query) if in_force(session, scope))


def surveys_of_scope(session: Session, scope: str, surveys: Sequence[str]) -> list[str]:
    """Return which of some surveys the champion of a scope scores.

    Parameters
    ----------
    scope
        A survey; empty: every survey without a champion of its own.
    """
    if scope:
        return [survey for survey in surveys if survey == scope]
    own = set(scopes(session))
    return [survey for survey in surveys if survey not in own]


def previous(session: Session, scope: str = "") -> Model | None:
    """Return the model that was in force when the champion was deployed.

    Rolling back twice so goes two models back, and never to the one rolled back from.
    """
    current = in_force(session, scope)
    if current is None:
        return None
    deployed = session.scalar(
        _changes(scope)
        .where(Deployment.model_id == current.model_id, Deployment.action == "deploy")
        .limit(1)
    )
    if deployed is None or deployed.previous_model_id is None:
        return None
    return session.get_one(Model, deployed.previous_model_id)


def challenger(session: Session, scope: str = "") -> Model | None:
    """Return the model that the newest decision of a scope refused, None where it took one."""
    last = last_deployment(session, scope)
    if last is None or last.action != "keep":
        return None
    return session.get_one(Model, last.model_id)


def was_in_force(session: Session, model_id: str, scope: str = "") -> bool:
    """Return whether a model ever was the champion of a scope."""
    query = _changes(scope).where(Deployment.model_id == model_id, Deployment.action.in_(IN_FORCE))
    return session.scalar(query.limit(1)) is not None


def was_rolled_back(session: Session, model_id: str, scope: str = "") -> bool:
    """Return whether a model was in force once and was taken back."""
    query = select(Deployment.sequence).where(
        Deployment.action.in_(TAKEN_BACK),
        Deployment.previous_model_id == model_id,
        Deployment.scope == scope,
    )
    return session.scalar(query.limit(1)) is not None


def newest_model(session: Session) -> Model | None:
    """Return the model that was trained last."""
    query = select(Model).order_by(Model.created_at.desc(), Model.id)
    return session.scalar(query.limit(1))


def last_deployment(session: Session, scope: str = "") -> Deployment | None:
    """Return the newest decision of a scope, whatever it was."""
    query = select(Deployment).where(Deployment.scope == scope)
    return session.scalar(query.order_by(Deployment.sequence.desc()).limit(1))


def deployment_of(session: Session, model: Model) -> Deployment | None:
    """Return the newest decision to deploy a model to all surveys; None where it never was."""
    query = _changes("").where(Deployment.model_id == model.id, Deployment.action == "deploy")
    return session.scalar(query.limit(1))


def decisions_after(session: Session, sequence: int) -> list[Deployment]:
    """Return the decisions of all scopes after a number, oldest first."""
    query = select(Deployment).where(Deployment.sequence > sequence)
    return list(session.scalars(query.order_by(Deployment.sequence)))


def decisions_about(session: Session, model_id: str) -> list[Deployment]:
    """Return the decisions of the gate about a model, newest first."""
    query = select(Deployment).where(
        Deployment.model_id == model_id, Deployment.action.in_(("deploy", "keep"))
    )
    return list(session.scalars(query.order_by(Deployment.sequence.desc())))


def attempts_against(
    session: Session, champion: Model | None, but: tuple[str, str], scope: str = ""
) -> int:
    """Return how many challengers were compared with a champion, the rows being what they were.

    Parameters
    ----------
    champion
        None: before the first model.
    but
        Model and dataset version of one comparison that does not count: itself, made again.
    scope
        Survey whose attempts are counted; empty: the common ones.
    """
    before = Deployment.previous_model_id
    query = select(Deployment).where(
        Deployment.action.in_(("deploy", "keep")),
        Deployment.scope == scope,
        before.is_(None) if champion is None else before == champion.id,
    )
    compared = {
        (row.model_id, row.dataset_id or "")
        for row in session.scalars(query)
        if row.metrics.get("challenger")
        and row.metrics.get("card", {}).get("verdict") != "not enough to decide"
    }
    return len(compared - {but})


def deployments(session: Session) -> list[Deployment]:
    """Return all decisions, oldest first."""
    return list(session.scalars(select(Deployment).order_by(Deployment.sequence)))


def record_deployment(session: Session, deployment: Deployment) -> Deployment:
    """Keep a decision and return it with its sequence number.

    Raises
    ------
    ValueError
        If it changes which model scores and does not name the row that it follows: the
        database could not refuse one that another decision overtook.
    """
    if deployment.action in CHANGES and deployment.follows is None:
        raise ValueError(f"a decision to {deployment.action} names the row that it follows")
    session.add(deployment)
    session.flush()
    return deployment


def all_models(session: Session) -> list[Model]:
    """Return all models, newest first."""
    query = select(Model).order_by(Model.created_at.desc(), Model.id)
    return list(session.scalars(query))


def training_runs(session: Session) -> list[TrainingRun]:
    """Return all trainings, newest first."""
    query = select(TrainingRun).order_by(TrainingRun.started_at.desc(), TrainingRun.id)
    return list(session.scalars(query))


def model_named(session: Session, name: str) -> Model | None:
    """Return the model of an id, the beginning of one, a version, or ``champion``."""
    if name == "champion":
        return champion(session)
    if not name:
        # Every id begins with nothing.
        return None
    query = select(Model).where(
        (Model.version == name) | Model.id.startswith(name, autoescape=True)
    )
    found = list(session.scalars(query.order_by(Model.created_at.desc(), Model.id)))
    exact = [model for model in found if name in {model.id, model.version}]
    # The newest of several registries' versions; none where a beginning fits two.
    return exact[0] if exact else (found[0] if len(found) == 1 else None)


def evaluations_of(session: Session, model_id: str) -> list[ModelEvaluation]:
    """Return the evaluations of a model, newest first."""
    query = select(ModelEvaluation).where(ModelEvaluation.model_id == model_id)
    return list(session.scalars(query.order_by(ModelEvaluation.created_at.desc())))


def cross_validations(session: Session) -> list[ModelEvaluation]:
    """Return the cross-validations, newest first."""
    query = select(ModelEvaluation).where(ModelEvaluation.model_id.is_(None))
    return list(session.scalars(query.order_by(ModelEvaluation.created_at.desc())))


def detections_per_night(session: Session, surveys: Collection[str] | None = None) -> list[int]:
    """Return how many detections each night with any has."""
    query = select(func.count()).select_from(Detection).group_by(Detection.survey, Detection.night)
    if surveys is not None:
        query = query.where(Detection.survey.in_(surveys))
    return list(session.scalars(query))


def newest_scored_nights(session: Session, model_id: str) -> list[tuple[str, str]]:
    """Return survey and night of the newest night of each survey that a model scored."""
    query = (
        select(Detection.survey, func.max(Detection.night))
        .where(Detection.model_id == model_id)
        .group_by(Detection.survey)
        .order_by(Detection.survey)
    )
    return [(row[0], row[1]) for row in session.execute(query)]


def current_scores(session: Session, survey: str, night: str) -> list[tuple[str | None, float]]:
    """Return model and score of the current detections of a night; None: ranked by S/N."""
    query = (
        select(Detection.model_id, Detection.score)
        .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
        .join(DifferenceRun, DifferenceRun.id == CandidateRow.difference_id)
        .where(
            Detection.survey == survey,
            Detection.night == night,
            CandidateRow.is_current,
            DifferenceRun.is_current,
        )
    )
    return [(row[0], row[1]) for row in session.execute(query.order_by(Detection.id))]


def _changes(scope: str) -> Select[Deployment]:
    return (
        select(Deployment)
        .where(Deployment.action.in_(CHANGES), Deployment.scope == scope)
        .order_by(Deployment.sequence.desc())
    )
