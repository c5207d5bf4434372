"""What became of each model, in a word: by the decisions about it, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.storage.queries import models

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.tables.learning import Deployment


def outcomes_of(session: Session) -> dict[str, str]:
    """Return the state of each model that was ever judged, by its id."""
    rows = models.deployments(session)
    champions = {scope: models.champion(session, scope) for scope in models.scopes(session)}
    now = {model.id for model in champions.values() if model is not None}
    found: dict[str, str] = {}
    for state, of_state in (
        ("refused", {row.model_id for row in rows if row.action == "keep"}),
        ("replaced", {row.model_id for row in rows if row.action != "keep"}),
        ("rolled back", _rolled_back(rows)),
        ("in force", now),
    ):
        found |= dict.fromkeys(of_state, state)
    return found


def outcome_of(session: Session, row: Deployment) -> str:
    """Return what became of one decision: in force, refused, replaced or rolled back."""
    if row.action == "keep":
        return "refused"
    newest = models.last_change(session, row.scope)
    if newest is not None and newest.sequence == row.sequence:
        return "in force"
    after = [other for other in models.deployments(session) if other.follows == row.sequence]
    taken = any(other.action in models.TAKEN_BACK and other.scope == row.scope for other in after)
    return "rolled back" if taken else "replaced"


def _rolled_back(rows: list[Deployment]) -> set[str]:
    """Return the models whose last time in force ended by a rollback."""
    ended: dict[str, str] = {}
    for row in rows:
        if row.action != "keep" and row.previous_model_id is not None:
            ended[row.previous_model_id] = row.action
    return {model_id for model_id, action in ended.items() if action in models.TAKEN_BACK}
