"""One champion per scope, whoever decides at the same time, and aliases that follow."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING

import pytest

from astrid_assets.compute import Compute
from astrid_assets.steps.learning.deployment.aliases import follow, lagging
from astrid_assets.steps.learning.deployment.in_force import put_in_force, roll_back
from astrid_assets.steps.learning.settings import DeployedMeanwhile, NoModel
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.tables.learning import Deployment, Model
from astrid_assets.storage.objects.object_store import open_object_store
from astrid_assets.storage.queries import models
from astrid_assets.storage.queries.deployment_outcomes import outcome_of, outcomes_of
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.services import postgres_server, postgres_url
from astrid_assets_tests.steps.learning.test_deploy import Aliases

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from astrid_assets.storage.database.catalogue import Catalogue

__all__ = ["postgres_server", "postgres_url"]

WHEN = dt.datetime(2025, 3, 1, tzinfo=dt.UTC)


def id_of(number: int) -> str:
    """Return the id of a model of `with_models`."""
    return ids.model_id(str(number) * 64)


def with_models(catalogue: Catalogue, tmp_path: Path, versions: Sequence[int]) -> Tools:
    """Add models of these versions, none in force."""
    with catalogue.begin() as session:
        for number in versions:
            session.add(
                Model(
                    id=id_of(number),
                    name="astrid-unet",
                    version=str(number),
                    onnx_sha256=str(number) * 64,
                    onnx_key=f"models/{number}",
                    metrics={},
                    threshold=0.5,
                    created_at=WHEN + dt.timedelta(days=number),
                )
            )
    return Tools(catalogue, open_object_store(str(tmp_path / "store")), Compute())


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return with_models(new_catalogue(tmp_path), tmp_path, range(1, 5))


def decision(
    number: int, follows: int | None, scope: str = "", action: str = "deploy"
) -> Deployment:
    """Return a row about a model, not kept yet."""
    return Deployment(
        action=action,
        model_id=id_of(number),
        reason="better",
        metrics={},
        created_at=WHEN,
        scope=scope,
        follows=follows,
    )


def deploy(tools: Tools, number: int, scope: str = "", action: str = "deploy") -> Deployment:
    """Decide about a model, knowing what is in force."""
    with tools.catalogue.begin() as session:
        before = models.champion(session, scope) or models.champion(session)
        follows = None if action == "keep" else models.number_to_follow(session, scope)
        row = decision(number, follows, scope, action)
        row.previous_model_id = before.id if before else None
        return models.record_deployment(session, row)


def version_for(tools: Tools, survey: str) -> str | None:
    with tools.catalogue.read() as session:
        found = models.champion_of_survey(session, survey)
    return found.version if found else None


def test_a_decision_that_another_one_overtook_changes_nothing_and_says_so(tools):
    first = put_in_force(tools, decision(1, 0))
    put_in_force(tools, decision(2, first.sequence))
    with pytest.raises(DeployedMeanwhile, match="version 2 came into force while"):
        put_in_force(tools, decision(3, first.sequence))
    assert version_for(tools, "any") == "2"


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["sqlite", "postgres"])
def test_of_two_deployments_at_once_one_wins_and_the_other_is_told(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    from astrid_assets.storage.database.catalogue import Catalogue

    if backend == "sqlite":
        catalogue = new_catalogue(tmp_path)
    else:
        catalogue = Catalogue(request.getfixturevalue("postgres_url"))
        catalogue.migrate()
    many = 8
    tools = with_models(catalogue, tmp_path, range(1, many + 1))
    at_once = threading.Barrier(many)
    outcomes: list[str] = []

    def attempt(number: int) -> None:
        at_once.wait()
        try:
            put_in_force(tools, decision(number, 0))
        except DeployedMeanwhile:
            outcomes.append("told")
        else:
            outcomes.append("won")

    threads = [threading.Thread(target=attempt, args=(n + 1,)) for n in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["told"] * (many - 1) + ["won"]
    with catalogue.read() as session:
        assert len(models.deployments(session)) == 1
    catalogue.close()


def test_a_survey_with_a_champion_of_its_own_is_scored_by_it_alone(tools):
    assert version_for(tools, "wide") is None
    deploy(tools, 1)
    deploy(tools, 2, "wide")
    deploy(tools, 3)
    assert (version_for(tools, "wide"), version_for(tools, "deep")) == ("2", "3")
    roll_back(tools, Aliases(), "worse at the edges", scope="wide")
    # The model before the survey's own was the common one of that time.
    assert (version_for(tools, "wide"), version_for(tools, "deep")) == ("1", "3")


def test_a_survey_goes_back_to_the_common_champion_and_follows_the_later_ones(tools):
    registry = Aliases()
    with pytest.raises(NoModel, match="wide has no champion of its own"):
        roll_back(tools, registry, "early", to="common", scope="wide")
    own = deploy(tools, 2, "wide")
    with pytest.raises(NoModel, match="wide would be left without any"):
        roll_back(tools, registry, "early", to="common", scope="wide")
    deploy(tools, 1)
    with pytest.raises(NoModel, match="name the survey"):
        roll_back(tools, registry, "no survey", to="common")
    follow(tools, registry)
    assert registry.now == {"champion": "1", "champion-wide": "2"}
    row, model = roll_back(tools, registry, "no better any more", to="common", scope="wide")
    assert (row.action, row.follows, model.version) == ("common", own.sequence, "1")
    assert registry.now == {"champion": "1"}
    with tools.catalogue.read() as session:
        assert models.scopes(session) == [""]
        assert [outcome_of(session, one) for one in (own, row)] == ["rolled back", "in force"]
        assert models.was_rolled_back(session, id_of(2), "wide")
    deploy(tools, 3)
    assert (version_for(tools, "wide"), version_for(tools, "deep")) == ("3", "3")
    # Whoever decided about the survey's own champion meanwhile is told.
    with pytest.raises(DeployedMeanwhile, match="version 3 came into force"):
        put_in_force(tools, decision(4, own.sequence, "wide"))
    with pytest.raises(NoModel, match="wide has no champion of its own"):
        roll_back(tools, registry, "twice", scope="wide")
    # Its next own champion is compared with, and goes back to, the common one.
    deploy(tools, 4, "wide")
    follow(tools, registry)
    assert registry.now == {
        "champion": "3",
        "previous": "1",
        "champion-wide": "4",
        "previous-wide": "3",
    }
    roll_back(tools, registry, "worse at the edges", scope="wide")
    assert version_for(tools, "wide") == "3"


def test_a_change_that_names_no_row_to_follow_is_refused(tools):
    with (
        pytest.raises(ValueError, match="a decision to deploy names the row that it follows"),
        tools.catalogue.begin() as session,
    ):
        models.record_deployment(session, decision(1, None))


def test_aliases_that_a_crash_left_behind_are_found_and_set_right(tools):
    registry = Aliases()
    deploy(tools, 1)
    follow(tools, registry)
    deploy(tools, 2)
    deploy(tools, 3, "wide")
    deploy(tools, 4, action="keep")
    registry.now |= {"champion-gone": "1", "mine": "1"}
    right = {"champion": "2", "previous": "1", "challenger": "4"}
    right |= {"champion-wide": "3", "previous-wide": "2"}
    assert lagging(tools, registry) == right | {"champion-gone": None}
    follow(tools, registry)
    assert registry.now == right | {"mine": "1"}
    assert lagging(tools, registry) == {}


def test_any_model_that_was_in_force_can_come_back_and_no_other(tools):
    registry = Aliases()
    for number in (1, 2, 3):
        deploy(tools, number)
    row, model = roll_back(tools, registry, "the last we trust", to="1")
    assert (model.version, row.previous_model_id) == ("1", id_of(3))
    assert registry.now["champion"] == "1"
    with pytest.raises(NoModel, match="version 1 is in force now"):
        roll_back(tools, registry, "again", to="1")
    with pytest.raises(NoModel, match="version 4 was never in force"):
        roll_back(tools, registry, "new", to="4")
    with pytest.raises(NoModel, match="there is no model 9"):
        roll_back(tools, registry, "unknown", to="9")


def test_every_model_and_every_decision_has_a_state(tools):
    rows = [deploy(tools, 1), deploy(tools, 2), deploy(tools, 3), deploy(tools, 4, action="keep")]
    back, _ = roll_back(tools, Aliases(), "floods the night")
    with tools.catalogue.read() as session:
        assert outcomes_of(session) == {
            id_of(1): "replaced",
            id_of(2): "in force",
            id_of(3): "rolled back",
            id_of(4): "refused",
        }
        found = [outcome_of(session, row) for row in (*rows, back)]
    assert found == ["replaced", "replaced", "rolled back", "refused", "in force"]
