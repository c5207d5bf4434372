"""Deployment: what is in force, and the way back; the gate itself is tested by itself."""

from __future__ import annotations

import datetime as dt

import pytest

from astrid_assets.compute import Compute
from astrid_assets.steps.learning.deploy import deploy_newest
from astrid_assets.steps.learning.deployment.in_force import roll_back
from astrid_assets.steps.learning.settings import DeploymentSettings, NoModel
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.tables.learning import Deployment, Model
from astrid_assets.storage.objects.object_store import open_object_store
from astrid_assets.storage.queries import models
from astrid_assets_tests.catalogues import new_catalogue


class Aliases:
    """A model registry that knows aliases only."""

    def __init__(self) -> None:
        self.now: dict[str, str] = {}
        self.files: dict[str, bytes] = {}

    def aliases(self, name: str) -> dict[str, str]:
        """Return the version that each alias names."""
        return dict(self.now)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias name a version."""
        self.now[alias] = version

    def delete_alias(self, name: str, alias: str) -> None:
        """Let an alias name nothing."""
        self.now.pop(alias, None)

    def keep_file(self, run_id: str, name: str, content: bytes) -> None:
        """Keep a file in memory."""
        self.files[name] = content


@pytest.fixture
def tools(tmp_path) -> Tools:
    """A catalogue in which model 2 has replaced model 1."""
    catalogue = new_catalogue(tmp_path)
    start = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)
    with catalogue.begin() as session:
        for number in (1, 2):
            session.add(
                Model(
                    id=f"model-{number}",
                    name="astrid-unet",
                    version=str(number),
                    onnx_sha256=str(number) * 64,
                    onnx_key=f"models/{number}",
                    metrics={},
                    threshold=0.5,
                    created_at=start + dt.timedelta(days=number),
                )
            )
            session.flush()
            models.record_deployment(
                session,
                Deployment(
                    action="deploy",
                    model_id=f"model-{number}",
                    previous_model_id="model-1" if number == 2 else None,
                    reason="better",
                    metrics={},
                    created_at=start + dt.timedelta(days=number),
                    follows=models.number_to_follow(session),
                ),
            )
    return Tools(catalogue, open_object_store(str(tmp_path / "store")), Compute())


def champion_id(tools: Tools) -> str | None:
    with tools.catalogue.read() as session:
        found = models.champion(session)
    return found.id if found else None


def test_a_rollback_puts_the_model_before_in_force(tools):
    aliases = Aliases()
    row, model = roll_back(tools, aliases, "floods the night")
    assert (row.action, model.id) == ("rollback", "model-1")
    assert champion_id(tools) == "model-1"
    assert aliases.now == {"champion": "1"}


def test_a_model_that_was_rolled_back_is_not_deployed_again(tools, tmp_path):
    aliases = Aliases()
    roll_back(tools, aliases, "floods the night")
    report = deploy_newest(tools, aliases, DeploymentSettings(), tmp_path)
    assert report.action == "keep"
    assert "rolled back" in report.reason
    assert champion_id(tools) == "model-1"


def test_there_is_an_end_to_rolling_back(tools):
    roll_back(tools, Aliases(), "floods the night")
    with pytest.raises(NoModel, match="no earlier model"):
        roll_back(tools, Aliases(), "and this one too")
