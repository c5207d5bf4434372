"""Putting a model in force: one row, kept only where the one that it follows is the newest.

A survey's own champion ends by such a row as well: the common one scores the survey again.
"""

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
    number = models.number_to_follow(session, deployment.scope)
    if number == deployment.follows:
        return
    newest = models.champion_of_survey(session, deployment.scope)
    raise DeployedMeanwhile(
        f"version {newest.version if newest else 'none'} came into force while this was decided "
        f"(deployment {number}), so nothing was changed: ask again, and the comparison is made "
        "with that one"
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
        Id or version of the model; None: the one before the champion; ``common``: the common
        champion, whichever it is from now on.
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
        if current is None:
            raise NoModel(_nothing_to_take_back(scope))
        is_to_common = to == models.COMMON
        model = _common(session, scope) if is_to_common else _earlier(session, to, current)
    row = put_in_force(
        tools,
        Deployment(
            action=models.COMMON if is_to_common else "rollback",
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


def _common(session: Session, scope: str) -> Model:
    if not scope:
        raise NoModel("the common champion is that of no survey: name the survey that goes back")
    common = models.champion(session)
    if common is None:
        raise NoModel(
            f"no common champion is in force, and {scope} would be left without any: "
            "astrid deploy puts one in force"
        )
    return common


def _nothing_to_take_back(scope: str) -> str:
    if scope:
        return f"{scope} has no champion of its own: the common one scores it"
    return "no model is in force, and there is no earlier model to roll back to"


def _earlier(session: Session, to: str | None, current: Deployment) -> Model:
    scope = current.scope
    found = models.previous(session, scope) if to is None else models.model_named(session, to)
    whose = f" of {scope}" if scope else ""
    if found is None and to is None:
        raise NoModel(f"there is no earlier model{whose} to roll back to")
    if found is None:
        raise NoModel(f"there is no model {to}: astrid models lists those there are")
    if found.id == current.model_id:
        raise NoModel(f"version {found.version} is in force{whose} now: nothing to roll back")
    earlier = models.previous(session, scope)
    is_earlier = models.was_in_force(session, found.id, scope)
    if not is_earlier and (earlier is None or earlier.id != found.id):
        raise NoModel(
            f"version {found.version} was never in force{whose}: astrid deploy {found.version} "
            "judges it and puts it in force"
        )
    return found
