"""Aliases in the model registry: what the catalogue says, for whoever asks MLflow.

``champion``, ``previous`` and ``challenger`` are those of all surveys; a survey with a
champion of its own has ``champion-NAME`` and so on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from astrid_assets.steps.learning.train import MODEL_NAME
from astrid_assets.storage.queries import models

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from astrid_assets.steps.nights import Tools

KINDS = ("champion", "previous", "challenger")


class ModelAliases(Protocol):
    """The part of a model registry that a deployment writes to."""

    def aliases(self, name: str) -> Mapping[str, str]:
        """Return the version that each alias names."""
        ...

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias name a version."""
        ...

    def delete_alias(self, name: str, alias: str) -> None:
        """Let an alias name nothing."""
        ...

    def keep_file(self, run_id: str, name: str, content: bytes) -> None:
        """Keep a file with a run of the experiment tracking."""
        ...


def follow(tools: Tools, tracking: ModelAliases) -> None:
    """Let the registry's aliases say what the catalogue says."""
    for alias, version in lagging(tools, tracking).items():
        if version is None:
            tracking.delete_alias(MODEL_NAME, alias)
        else:
            tracking.set_alias(MODEL_NAME, alias, version)


def lagging(tools: Tools, tracking: ModelAliases) -> dict[str, str | None]:
    """Return the aliases that say something else, with the version that the catalogue says.

    None where an alias has to name nothing.
    """
    with tools.catalogue.read() as session:
        right = aliases_of(session)
    found = {
        alias: version
        for alias, version in tracking.aliases(MODEL_NAME).items()
        if alias.partition("-")[0] in KINDS
    }
    return {
        alias: right.get(alias)
        for alias in sorted({*right, *found})
        if right.get(alias) != found.get(alias)
    }


def aliases_of(session: Session) -> dict[str, str]:
    """Return the version that each alias has to name, by the catalogue."""
    right = {}
    for scope in {"", *models.scopes(session)}:
        of_scope = (models.champion, models.previous, models.challenger)
        for kind, find in zip(KINDS, of_scope, strict=True):
            model = find(session, scope)
            if model is not None:
                right[f"{kind}-{scope}" if scope else kind] = model.version
    return right
