"""A deployment that is killed after any of its steps leaves one champion that scores."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from astrid_assets.learning.inference import UnusableModel
from astrid_assets.steps.learning.deploy import deploy_newest
from astrid_assets.steps.learning.deployment.aliases import follow, lagging
from astrid_assets.steps.learning.deployment.in_force import roll_back
from astrid_assets.steps.learning.evaluate import open_scorer
from astrid_assets.storage.database.catalogue import Catalogue, now
from astrid_assets.storage.database.tables.learning import Deployment, Model
from astrid_assets.storage.queries import models
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.steps.learning.labelled_sky import store_night, tools_of
from astrid_assets_tests.steps.learning.test_deploy import Aliases
from astrid_assets_tests.steps.learning.test_judge_challenger import World
from astrid_assets_tests.steps.learning.test_seen import positions
from astrid_assets_tests.steps.learning.test_unseen import (
    ANY,
    COUNT,
    LABELS,
    centre_model,
    night_of,
    version_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

    from astrid_assets.steps.nights import Tools

pytestmark = pytest.mark.slow

MOST_STEPS = 20


class Killed(BaseException):
    """No handler of errors sees it, as none sees SIGKILL."""


@dataclass
class Steps:
    """Counts what reaches the disk or the registry, and dies after one of them."""

    last: int
    die: Callable[[], None]
    done: int = 0

    def step(self) -> None:
        """Count one."""
        self.done += 1
        if self.done == self.last:
            self.die()


class MortalCatalogue(Catalogue):
    """A catalogue whose commits are steps."""

    steps: Steps

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Write, and take the step once it is written."""
        with super().begin() as session:
            yield session
        self.steps.step()


class MortalAliases(Aliases):
    """A registry whose changes are steps."""

    steps: Steps

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias name a version, and take the step."""
        super().set_alias(name, alias, version)
        self.steps.step()

    def delete_alias(self, name: str, alias: str) -> None:
        """Let an alias name nothing, and take the step."""
        super().delete_alias(name, alias)
        self.steps.step()


@pytest.fixture
def world(tmp_path: Path, rng: np.random.Generator) -> World:
    """A champion, and a better challenger that is not deployed yet."""
    tools = tools_of(new_catalogue(tmp_path), tmp_path)
    store_night(tools, night_of(rng), LABELS, positions(rng, COUNT))
    made = World(tools, version_of(tools), tmp_path / "work")
    made.store(centre_model(1.0))
    tools.catalogue.close()
    return made


def die() -> None:
    raise Killed


def in_force(tools: Tools) -> tuple[Deployment, Model]:
    with tools.catalogue.read() as session:
        row, model = models.in_force(session), models.champion(session)
        assert models.scopes(session) == [""]
    assert row is not None
    assert model is not None
    return row, model


def check_it_scores(tools: Tools, model: Model) -> None:
    scores = open_scorer(tools, model).score(np.zeros((2, 3, 64, 64), dtype=np.float32))
    assert np.isfinite(scores).all()


def killed_after(world: World, number: int, folder: Path, settings=ANY) -> tuple[bool, Tools]:
    """Deploy on a copy of the catalogue and die after a step; returns whether it came to it."""
    folder.mkdir()
    shutil.copy(world.folder.parent / "catalogue.db", folder / "catalogue.db")
    steps = Steps(number, die)
    catalogue = MortalCatalogue(f"sqlite:///{folder / 'catalogue.db'}")
    catalogue.steps = steps
    registry = MortalAliases()
    registry.steps = steps
    registry.now = {"champion": "1"}
    tools = replace(world.tools, catalogue=catalogue)
    try:
        deploy_newest(tools, registry, settings, world.folder)
        died = False
    except Killed:
        died = True
    catalogue.close()
    tools = replace(world.tools, catalogue=Catalogue(f"sqlite:///{folder / 'catalogue.db'}"))
    _, model = in_force(tools)
    check_it_scores(tools, model)
    # The next decision finishes what was begun.
    registry.steps = Steps(0, die)
    deploy_newest(tools, registry, settings, world.folder)
    assert lagging(tools, registry) == {}
    return died, tools


def test_whatever_step_a_deployment_dies_after_one_champion_scores_and_the_next_one_mends(
    world, tmp_path
):
    for number in range(1, MOST_STEPS):
        died, tools = killed_after(world, number, tmp_path / str(number))
        row, model = in_force(tools)
        assert (row.action, model.version) == ("deploy", "2")
        assert row.canary is not None
        assert row.canary["passed"]
        if not died:
            break
    else:
        pytest.fail(f"more than {MOST_STEPS} steps")
    # The row, three changes of aliases or fewer, and the look at it.
    assert number >= 4


def test_a_rollback_that_a_canary_asked_for_survives_being_killed_too(world, tmp_path):
    settings = ANY.model_copy(update={"max_called_real": 0.01})
    for number in range(1, MOST_STEPS):
        died, tools = killed_after(world, number, tmp_path / str(number), settings)
        row, model = in_force(tools)
        assert (row.action, model.version) == ("rollback", "1")
        if not died:
            break
    else:
        pytest.fail(f"more than {MOST_STEPS} steps")


def test_a_way_back_to_the_common_champion_that_is_killed_is_there_or_not(world, tmp_path):
    own = world.store(centre_model(2.0))
    with world.tools.catalogue.begin() as session:
        models.record_deployment(
            session,
            Deployment(
                action="deploy",
                model_id=own.id,
                reason="own",
                metrics={},
                created_at=now(),
                scope="wide",
                follows=0,
            ),
        )
    world.tools.catalogue.close()
    for number in range(1, MOST_STEPS):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(tmp_path / "catalogue.db", folder / "catalogue.db")
        catalogue = MortalCatalogue(f"sqlite:///{folder / 'catalogue.db'}")
        registry = MortalAliases()
        registry.now = {"champion": "1", "champion-wide": own.version, "challenger-wide": "9"}
        catalogue.steps = registry.steps = Steps(number, die)
        tools = replace(world.tools, catalogue=catalogue)
        try:
            roll_back(tools, registry, "no better", to="common", scope="wide")
            died = False
        except Killed:
            died = True
        catalogue.close()
        tools = replace(world.tools, catalogue=Catalogue(f"sqlite:///{folder / 'catalogue.db'}"))
        with tools.catalogue.read() as session:
            model = models.champion_of_survey(session, "wide")
        assert model is not None
        assert model.version == "1"
        check_it_scores(tools, model)
        # What the registry lacks is set right by the next decision, or `astrid doctor --fix`.
        registry.steps = Steps(0, die)
        follow(tools, registry)
        assert registry.now == {"champion": "1"}
        if not died:
            break
    else:
        pytest.fail(f"more than {MOST_STEPS} steps")
    # The row, and two aliases that name nothing any more.
    assert number == 4


def test_a_broken_canary_brings_back_the_same_file(world):
    _, before = in_force(world.tools)
    file = world.tools.store.get(before.onnx_key)
    with world.tools.catalogue.begin() as session:
        # Everything is called real.
        session.get_one(Model, "model-2").threshold = 0.0
    report = deploy_newest(world.tools, Aliases(), ANY, world.folder)
    assert report.action == "rollback"
    assert "deployed, but failed once it was in force: calls 100.0% of 240" in report.reason
    row, after = in_force(world.tools)
    assert report.sequence == row.sequence
    assert (after.id, after.onnx_sha256) == (before.id, before.onnx_sha256)
    assert world.tools.store.get(after.onnx_key) == file
    # What was taken back stays back.
    again = deploy_newest(world.tools, Aliases(), ANY, world.folder)
    assert "was rolled back" in again.reason


def test_a_file_that_is_lost_before_the_look_brings_the_model_before_back(world, tmp_path):
    _, before = in_force(world.tools)

    def lose() -> None:
        with world.tools.catalogue.read() as session:
            new = session.get_one(Model, "model-2")
        (tmp_path / "store" / new.onnx_key).unlink()

    catalogue = MortalCatalogue(f"sqlite:///{tmp_path / 'catalogue.db'}")
    # The first commit is the look at the champion of before, the second the deployment.
    catalogue.steps = Steps(2, lose)
    tools = replace(world.tools, catalogue=catalogue)
    report = deploy_newest(tools, Aliases(), ANY, world.folder)
    assert report.action == "rollback", report.reason
    _, after = in_force(world.tools)
    assert after.onnx_sha256 == before.onnx_sha256
    check_it_scores(world.tools, after)


def test_a_model_that_does_not_score_cannot_be_forced(world):
    for content in (b"no model", centre_model(float("nan"))):
        world.store(content)
        with pytest.raises(UnusableModel):
            deploy_newest(world.tools, Aliases(), ANY, world.folder, force_because="a test")
    row, model = in_force(world.tools)
    assert (row.action, model.version) == ("deploy", "1")


CHILD = """
import os, signal, sys
from pathlib import Path
from astrid_assets_tests.steps.learning.deployment.test_killed import *
folder = Path(sys.argv[1])
catalogue = MortalCatalogue(f"sqlite:///{folder / 'catalogue.db'}")
steps = Steps(2, lambda: os.kill(os.getpid(), signal.SIGKILL))
catalogue.steps = steps
registry = MortalAliases()
registry.steps = Steps(0, lambda: None)
deploy_newest(tools_of(catalogue, folder), registry, ANY, folder / "work")
"""


def test_a_process_that_is_killed_with_the_row_written_has_deployed(world, tmp_path):
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)], capture_output=True, check=False, text=True
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    row, model = in_force(world.tools)
    assert (model.version, row.canary) == ("2", None)
    check_it_scores(world.tools, model)
    registry = Aliases()
    deploy_newest(world.tools, registry, ANY, world.folder)
    assert registry.now == {"champion": "2", "previous": "1"}
    row, _ = in_force(world.tools)
    assert row.canary is not None
