"""Blocks hold exactly the nights that were asked for; the clock asks for known ones."""

import datetime as dt

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrid_assets.definitions import defs
from astrid_assets.jobs import (
    LONGEST_BLOCK,
    NIGHTS_LOOKED_AT_AGAIN,
    Block,
    blocks_of,
    is_partition,
    latest_nights,
)
from astrid_assets.partitions import FIRST_NIGHT, Night, survey_date
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets_tests.catalogues import catalogue
from astrid_assets_tests.instances import empty_history, instance, own_home
from astrid_assets_tests.storage.world import World

__all__ = ["catalogue", "empty_history", "instance", "own_home"]  # fixtures are found by name

START = dt.date(2025, 2, 1)
nights_of_two_surveys = st.lists(
    st.builds(
        lambda survey, day: Night(survey, (START + dt.timedelta(day)).isoformat()),
        st.sampled_from(["deep", "wide"]),
        st.integers(0, 120),
    )
)


def nights_in(block: Block) -> list[Night]:
    """Return the nights that Dagster runs for a block."""
    days = (dt.date.fromisoformat(block.end) - dt.date.fromisoformat(block.start)).days
    first = dt.date.fromisoformat(block.start)
    return [Night(block.survey, (first + dt.timedelta(day)).isoformat()) for day in range(days + 1)]


@given(nights_of_two_surveys)
def test_blocks_hold_exactly_the_nights_asked_for(nights: list[Night]) -> None:
    blocks = blocks_of(nights)
    assert [n for block in blocks for n in nights_in(block)] == sorted(set(nights))


@given(nights_of_two_surveys, st.integers(1, 10))
def test_no_block_is_longer_than_allowed(nights: list[Night], longest: int) -> None:
    for block in blocks_of(nights, longest):
        assert 1 <= len(nights_in(block)) <= longest


def test_a_long_series_makes_few_blocks() -> None:
    nights = nights_in(Block("wide", "2025-01-01", "2025-12-31"))
    assert len(blocks_of(nights)) == -(-365 // LONGEST_BLOCK)


def test_one_night_is_a_partition_and_more_are_a_range() -> None:
    one = Block("wide", "2025-03-01", "2025-03-01").run_request("k")
    assert one.partition_key == "2025-03-01|wide"
    assert one.run_key == "k"
    more = Block("wide", "2025-03-01", "2025-03-04").run_request()
    assert more.partition_key is None
    keys = [
        more.tags["dagster/asset_partition_range_start"],
        more.tags["dagster/asset_partition_range_end"],
    ]
    assert [survey_date.get_partition_key_from_str(key) for key in keys] == keys


@pytest.mark.parametrize(
    ("date", "inside"),
    [(FIRST_NIGHT, True), ("1999-12-31", False), ("2999-01-01", False)],
)
def test_only_nights_of_the_graph_are_partitions(date: str, *, inside: bool) -> None:
    assert is_partition(Night("wide", date)) is inside


def test_tonight_is_a_partition_already() -> None:
    today = dt.datetime.now(dt.UTC).date().isoformat()
    assert is_partition(Night("wide", today))


def requests_at_noon(catalogue: Catalogue, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """Return what the schedule asks for on the first of April."""
    with dg.build_schedule_context(
        instance=instance,
        instance_ref=instance.get_ref(),
        repository_def=defs.get_repository_def(),
        scheduled_execution_time=dt.datetime(2025, 4, 1, 12, tzinfo=dt.UTC),
        resources={"catalogue": catalogue},
    ) as context:
        return list(latest_nights.evaluate_tick(context).run_requests or [])


def test_the_clock_asks_for_the_latest_nights_that_have_frames(
    catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    with catalogue.begin() as session:
        world = World(session, "wide")
        for day in range(1, NIGHTS_LOOKED_AT_AGAIN + 4):
            world.observation(f"2025-03-{day:02d}")
    [request] = requests_at_noon(catalogue, instance)
    start = request.tags["dagster/asset_partition_range_start"]
    end = request.tags["dagster/asset_partition_range_end"]
    assert (start, end) == ("2025-03-04|wide", "2025-03-10|wide")
    assert request.run_key is not None
    assert request.run_key.startswith("2025-04-01 ")


OFFERED: dict[str, dict[str, object]] = {
    "rollback_job": {"rollback": {"config": {"because": "..."}}},
}
"""What the launchpad offers where something has to be filled in; else it offers nothing."""


def test_every_job_can_be_launched_as_the_launchpad_offers_it() -> None:
    for job in defs.resolve_all_job_defs():
        if not job.name.startswith("__"):
            dg.validate_run_config(job, {"ops": OFFERED.get(job.name, {})})
    with pytest.raises(dg.DagsterInvalidConfigError, match="rollback"):
        dg.validate_run_config(defs.resolve_job_def("rollback_job"), {})


def test_only_the_job_of_that_name_can_roll_back() -> None:
    steps = {
        job.name: {node.name for node in job.nodes}
        for job in defs.resolve_all_job_defs()
        if not job.name.startswith("__")
    }
    assert {name for name, nodes in steps.items() if "rollback" in nodes} == {"rollback_job"}
    assert steps["rollback_job"] == {"rollback"}
    assert "deployed_model" in steps["deployment_job"]


def test_without_frames_the_clock_asks_for_nothing(
    catalogue: Catalogue, instance: dg.DagsterInstance
) -> None:
    assert requests_at_noon(catalogue, instance) == []
