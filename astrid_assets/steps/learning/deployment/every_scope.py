"""The newest model judged wherever there is a champion: for all surveys, and for single ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.steps.learning.deploy import deploy_newest
from astrid_assets.storage.queries import models

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.steps.learning.deploy import DeploymentReport
    from astrid_assets.steps.learning.deployment.aliases import ModelAliases
    from astrid_assets.steps.learning.settings import DeploymentSettings
    from astrid_assets.steps.nights import Tools


def deploy_in_every_scope(
    tools: Tools, tracking: ModelAliases, settings: DeploymentSettings, work_folder: Path
) -> dict[str, DeploymentReport]:
    """Judge the newest model in every scope; returns what was decided, the common one first.

    A survey gets its first own champion by request (`deploy_newest` with a scope); from then
    on each new model is compared with it, too.
    """
    with tools.catalogue.read() as session:
        scopes = ["", *(scope for scope in models.scopes(session) if scope)]
    return {
        scope: deploy_newest(tools, tracking, settings, work_folder, scope=scope)
        for scope in scopes
    }
