"""Blocks of nights run inside this process: in order, isolated, and stoppable."""

import io
from collections.abc import Iterator

import click
import dagster as dg
import pytest
from rich.console import Console

from astrid_assets.cli.backfill import Failure, run_plans
from astrid_assets.cli.plans import BackfillPlan
from astrid_assets.cli.progress import NightTicks, progress_bar
from astrid_assets.cli.range_runs import run_block
from astrid_assets.cli.workplace import dagster_instance, prepare_home
from astrid_assets.jobs import Block
from astrid_assets.partitions import Night, nights_of, survey_date
from astrid_assets.storage.objects.store_errors import StoreUnavailable

pytestmark = pytest.mark.slow

ASSETS = ("raw_observations", "processed_frames")
WEEK = tuple(f"2025-03-0{day}" for day in range(1, 8))


class ForceConfig(dg.Config):
    """As the nightly assets have it."""

    force: bool = False


class Nights:
    """Two assets that write down what they did, and break where they are told to."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str, str]] = []
        self.forced: set[bool] = set()
        self.breaks: dict[str, BaseException] = {}
        """Night → what the second asset raises there."""

    def job(self) -> dg.JobDefinition:
        """Return the job of the two assets."""

        @dg.asset(partitions_def=survey_date)
        def raw_observations(context: dg.AssetExecutionContext, config: ForceConfig) -> None:
            self.forced.add(config.force)
            for night in nights_of(context.partition_keys):
                self._finish(context, "raw_observations", night)

        @dg.asset(partitions_def=survey_date, deps=[raw_observations])
        def processed_frames(context: dg.AssetExecutionContext, config: ForceConfig) -> None:
            self.forced.add(config.force)
            for night in nights_of(context.partition_keys):
                if night.date in self.breaks:
                    raise self.breaks[night.date]
                self._finish(context, "processed_frames", night)

        @dg.asset_check(asset=raw_observations)
        def nothing_is_wrong() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=True)

        return dg.Definitions(
            assets=[raw_observations, processed_frames],
            asset_checks=[nothing_is_wrong],
            jobs=[dg.define_asset_job("night_job", selection=list(ASSETS))],
        ).resolve_job_def("night_job")

    def _finish(self, context: dg.AssetExecutionContext, asset: str, night: Night) -> None:
        self.done.append((asset, night.survey, night.date))
        context.log.info("%s %s %s: %s", asset, night.survey, night.date, {})

    def of(self, asset: str) -> list[str]:
        """Return the nights an asset finished, in that order."""
        return [date for name, _, date in self.done if name == asset]


@pytest.fixture
def instance(home) -> Iterator[dg.DagsterInstance]:
    prepare_home()
    with dagster_instance() as instance:
        instance.add_dynamic_partitions("survey", ["a", "b"])
        yield instance


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO())


def materialized(instance: dg.DagsterInstance, asset: str) -> set[str]:
    return set(instance.get_materialized_partitions(dg.AssetKey(asset)))


@pytest.mark.parametrize("nights", [WEEK[:1], WEEK])
def test_a_block_is_one_run_over_exactly_its_nights(instance, nights):
    recorder = Nights()
    block = Block("a", nights[0], nights[-1])
    outcome = run_block(recorder.job(), instance, block, assets=ASSETS)
    assert outcome.succeeded
    assert recorder.of("raw_observations") == list(nights)
    keys = {str(Night("a", night).key) for night in nights}
    assert materialized(instance, "processed_frames") == keys
    assert instance.get_runs_count() == 1


def test_gaps_between_nights_are_not_bridged(instance, console):
    recorder = Nights()
    sparse = ("2025-03-01", "2025-03-02", "2025-04-10")
    failures = run_plans(
        console, instance, recorder.job(), [BackfillPlan("a", sparse)], assets=ASSETS
    )
    assert failures == []
    assert recorder.of("processed_frames") == list(sparse)
    assert len(materialized(instance, "raw_observations")) == 3


def test_surveys_run_one_after_the_other_in_the_order_of_time(instance, console):
    recorder = Nights()
    plans = [BackfillPlan("a", WEEK[:2]), BackfillPlan("b", WEEK[:2])]
    run_plans(console, instance, recorder.job(), plans, assets=ASSETS)
    first = [(survey, date) for name, survey, date in recorder.done if name == ASSETS[0]]
    assert first == [(s, d) for s in ("a", "b") for d in WEEK[:2]]


def test_force_reaches_the_configuration_of_every_asset(instance):
    recorder = Nights()
    block = Block("a", WEEK[0], WEEK[0])
    run_block(recorder.job(), instance, block, assets=ASSETS, force=True)
    assert recorder.forced == {True}


def test_only_the_assets_asked_for_run(instance):
    recorder = Nights()
    block = Block("a", WEEK[0], WEEK[0])
    run_block(recorder.job(), instance, block, assets=ASSETS[:1])
    assert recorder.of("processed_frames") == []


def test_one_broken_night_costs_only_itself(instance, console):
    recorder = Nights()
    recorder.breaks[WEEK[3]] = RuntimeError("the telescope fell over")
    (failure,) = run_plans(
        console, instance, recorder.job(), [BackfillPlan("a", WEEK)], assets=ASSETS
    )
    assert failure == Failure(
        "a", WEEK[3], ("processed_frames: RuntimeError: the telescope fell over",)
    )
    others = {str(Night("a", night).key) for night in WEEK if night != WEEK[3]}
    assert materialized(instance, "processed_frames") == others


def test_a_service_out_of_reach_ends_the_backfill_at_once(instance, console):
    recorder = Nights()
    recorder.breaks[WEEK[0]] = StoreUnavailable("the disk is full: free space there")
    plans = [BackfillPlan("a", WEEK), BackfillPlan("b", WEEK)]
    with pytest.raises(click.ClickException, match="free space there"):
        run_plans(console, instance, recorder.job(), plans, assets=ASSETS)
    assert instance.get_runs_count() == 1


def test_an_interrupted_run_ends_the_backfill(instance, console):
    recorder = Nights()
    recorder.breaks[WEEK[0]] = dg.DagsterExecutionInterruptedError()
    with pytest.raises(SystemExit) as ended:
        run_plans(console, instance, recorder.job(), [BackfillPlan("a", WEEK)], assets=ASSETS)
    assert ended.value.code == 130
    assert instance.get_runs_count() == 1


def test_progress_ticks_once_per_night_and_asset(instance, console):
    recorder = Nights()
    seen = []

    class Watched(NightTicks):
        def __call__(self, entry: dg.EventLogEntry) -> None:
            super().__call__(entry)
            seen.append(bar.tasks[0].completed)

    with progress_bar(console) as bar:
        task = bar.add_task("", total=2 * len(WEEK))
        run_block(
            recorder.job(),
            instance,
            Block("a", WEEK[0], WEEK[-1]),
            assets=ASSETS,
            on_event=Watched(bar, task, "a", len(WEEK), ASSETS),
        )
        assert bar.tasks[0].completed == 2 * len(WEEK)
    # Each night of the first asset was seen when it ended, not all at the end.
    assert set(range(1, len(WEEK) + 1)) <= set(seen)


def test_a_failed_block_still_fills_its_part_of_the_bar(console):
    with progress_bar(console) as bar:
        task = bar.add_task("", total=2 * len(WEEK))
        NightTicks(bar, task, "a", len(WEEK), ASSETS).finish()
        assert bar.tasks[0].completed == 2 * len(WEEK)
