"""Putting a model in force: one row, kept only where the one that it follows is the newest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError

from astrid_assets.steps.learning.deployment.aliases import follow
from astrid_assets.steps.learning.settings import DeployedMeanwhile, NoModel
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import Deployment, Model
from astrid_assets.storage.queries import models

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from astrid_assets.steps.learning.deployment.aliases import ModelAliases
    from astrid_assets.steps.nights import Tools


def put_in_force(tools: Tools, deployment: Deployment) -> Deployment:
    """Keep a row that puts a model in force, if nothing came into force since.

    Parameters
    ----------
    deployment
        `follows` names the row that was in force when this one was decided.

    Raises
    ------
    DeployedMeanwhile
        If another model came into force in its scope since; nothing is kept then.
    """
    try:
        with tools.catalogue.begin() as session:
            _refuse_late(session, deployment)
            return models.record_deployment(session, deployment)
    except IntegrityError:
        # On PostgreSQL two may look at once; the index lets one of them write.
        with tools.catalogue.read() as session:
            _refuse_late(session, deployment)
        raise


def _refuse_late(session: Session, deployment: Deployment) -> None:
    newest = models.in_force(session, deployment.scope)
    if (newest.sequence if newest else 0) == deployment.follows:
        return
    there = session.get_one(Model, newest.model_id).version if newest else "none"
    raise DeployedMeanwhile(
        f"version {there} came into force while this was decided (deployment "
        f"{newest.sequence if newest else 0}), so nothing was changed: ask again, and the "
        "comparison is made with that one"
    )


def roll_back(
    tools: Tools,
    tracking: ModelAliases,
    because: str,
    *,
    to: str | None = None,
    scope: str = "",
) -> tuple[Deployment, Model]:
    """Put an earlier model in force again, in one row; returns it and the model.

    Parameters
    ----------
    because
        The reason, in words.
    to
        Id or version of the model; None: the one before the champion.
    scope
        Survey whose own champion is taken back; empty: the common one.

    Raises
    ------
    NoModel
        If there is no earlier model, or `to` was never in force or is in force now.
    DeployedMeanwhile
        If another model came into force at the same time.
    """
    with tools.catalogue.read() as session:
        current = models.in_force(session, scope)
        model = _earlier(session, to, scope)
    if current is None:
        raise NoModel("there is no earlier model to roll back to")
    row = put_in_force(
        tools,
        Deployment(
            action="rollback",
            model_id=model.id,
            previous_model_id=current.model_id,
            dataset_id=None,
            reason=because,
            metrics={},
            created_at=now(),
            scope=scope,
            follows=current.sequence,
        ),
    )
    follow(tools, tracking)
    return row, model


def _earlier(session: Session, to: str | None, scope: str) -> Model:
    champion = models.champion(session, scope)
    found = models.previous(session, scope) if to is None else models.model_named(session, to)
    whose = f" of {scope}" if scope else ""
    if champion is None or (found is None and to is None):
        raise NoModel(f"there is no earlier model{whose} to roll back to")
    if found is None:
        raise NoModel(f"there is no model {to}: astrid models lists those there are")
    if found.id == champion.id:
        raise NoModel(f"version {found.version} is in force{whose} now: nothing to roll back")
    earlier = models.previous(session, scope)
    is_earlier = models.was_in_force(session, found.id, scope)
    if not is_earlier and (earlier is None or earlier.id != found.id):
        raise NoModel(
            f"version {found.version} was never in force{whose}: astrid deploy {found.version} "
            "judges it and puts it in force"
        )
    return found
