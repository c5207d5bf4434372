"""The gate on stored models: what is scored, what is counted, what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from astrid_assets.learning.gate.card import GateOutcome
from astrid_assets.learning.gate.settings import GateSettings
from astrid_assets.learning.inference import OnnxScorer
from astrid_assets.steps.learning.deploy import DeploymentReport, deploy_newest
from astrid_assets.steps.learning.golden import golden_check
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import Model, TrainingRun
from astrid_assets.storage.queries import models
from astrid_assets.web.settings import WebSettings
from astrid_assets_tests.api.serving import asked
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.steps.learning.judged import judged_world
from astrid_assets_tests.steps.learning.labelled_sky import store_night, tools_of
from astrid_assets_tests.steps.learning.test_deploy import Aliases
from astrid_assets_tests.steps.learning.test_seen import positions, trained_on
from astrid_assets_tests.steps.learning.test_unseen import (
    ANY,
    COUNT,
    LABELS,
    centre_model,
    night_of,
    put_in_force,
    version_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from astrid_assets.steps.learning.collect import DatasetVersion
    from astrid_assets.steps.nights import Tools

pytestmark = pytest.mark.slow


class World:
    """A dataset version and a champion that ranks upside down."""

    def __init__(self, tools: Tools, version: DatasetVersion, folder: Path) -> None:
        self.tools, self.version, self.folder = tools, version, folder
        trained_on(tools, version)
        self.made, self.tracking = 0, Aliases()
        with tools.catalogue.begin() as session:
            session.get_one(TrainingRun, version.row.id).mlflow_run_id = "run"
        put_in_force(tools, self.store(centre_model(-1.0)))

    def challenge(self, steepness: float) -> DeploymentReport:
        """Train a model, as it were, and ask for its deployment."""
        self.store(centre_model(steepness))
        return self.ask()

    def store(self, content: bytes) -> Model:
        """Put a model of the version into catalogue and store."""
        self.made += 1
        name = f"model-{self.made}"
        with self.tools.catalogue.begin() as session:
            model = Model(
                id=name,
                name="unet",
                version=str(self.made),
                training_run_id=self.version.row.id,
                onnx_sha256=name,
                onnx_key=self.tools.store.put(name, content, ".onnx"),
                metrics={},
                threshold=0.5,
                created_at=now(),
            )
            session.add(model)
        return model

    def ask(self) -> DeploymentReport:
        """Ask for the deployment of the newest."""
        return deploy_newest(self.tools, self.tracking, ANY, self.folder)


@pytest.fixture
def world(tmp_path: Path, rng: np.random.Generator) -> World:
    tools = tools_of(new_catalogue(tmp_path), tmp_path)
    store_night(tools, night_of(rng), LABELS, positions(rng, COUNT))
    return World(tools, version_of(tools), tmp_path / "work")


def test_a_better_one_wins_an_equal_one_does_not_and_each_attempt_counts(world):
    won = world.challenge(1.0)
    assert won.action == "deploy", won.reason
    assert won.card is not None
    assert won.card.verdict == GateOutcome.BETTER
    # Steeper scores rank alike.
    equal = world.challenge(2.0)
    assert (equal.action, equal.card and equal.card.verdict) == ("keep", GateOutcome.EQUAL)
    again = world.ask()
    further = world.challenge(3.0)
    attempts = [one.card.power.attempt for one in (won, equal, again, further) if one.card.power]
    assert attempts == [1, 1, 1, 2]
    names = [name.rpartition("_")[2] for name in world.tracking.files]
    assert names == ["better/evidence.md", "better/evidence.json"] + 2 * [
        "equal/evidence.md",
        "equal/evidence.json",
    ]
    settings = WebSettings(
        database_url=world.tools.catalogue.url, store_url=str(world.folder.parent / "store")
    )
    with asked(settings) as client, world.tools.catalogue.read() as session:
        newest = models.newest_model(session)
        assert newest is not None
        page = client.get(f"/browse/models/{newest.id}").text
    for words in ("Not deployed", ": equal", "Attempt 2 against this champion", "McNemar"):
        assert words in page
    with world.tools.catalogue.read() as session:
        kept = models.last_deployment(session)
    assert kept is not None
    assert kept.metrics["card"]["power"]["attempt"] == 2
    assert kept.metrics["card"]["verdict"] == "equal"


def test_a_model_of_nan_weights_is_refused_as_unusable(world):
    report = world.challenge(float("nan"))
    assert report.action == "keep"
    assert report.card is not None
    assert report.card.verdict == GateOutcome.UNUSABLE
    assert "not finite" in report.reason
    assert report.card.failed[0].name.startswith("odd input")


def test_bytes_that_are_no_model_are_refused_as_unusable(world):
    world.store(b"no model")
    report = world.ask()
    assert report.card is not None
    assert report.card.verdict == GateOutcome.UNUSABLE


def test_golden_cutouts_find_another_file_than_the_one_that_was_trained(tmp_path):
    world = judged_world(tmp_path)
    settings = GateSettings()
    right = OnnxScorer(world.tools.store.get(world.model.onnx_key))
    check = golden_check(world.tools, world.model, right, settings, world.work)
    assert check.passed
    assert check.value is not None
    assert check.value < 1e-5
    wrong = OnnxScorer(centre_model(1.0))
    assert not golden_check(world.tools, world.model, wrong, settings, world.work).passed
