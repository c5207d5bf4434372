"""What has changed makes exactly the nights stale that depend on it."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from dagster._core.definitions.data_version import (
    CachingStaleStatusResolver,
    StaleStatus,
)
from dagster._core.loader import LoadingContextForTest

from astrid_assets.compute import Compute
from astrid_assets.definitions import build_definitions
from astrid_assets.jobs import RANGE_END, RANGE_START
from astrid_assets.partitions import Night
from astrid_assets.steps.detections.detect import detect_nights
from astrid_assets.steps.difference_images.subtract import subtract_nights
from astrid_assets.steps.nights import Tools, load_profile
from astrid_assets.steps.outdated import outdated_nights
from astrid_assets.steps.reference_frames.stack import reference_nights
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import ObjectStore, open_object_store
from astrid_assets.storage.queries import observations
from astrid_assets.storage.queries.gates import NIGHTLY_ASSETS
from astrid_assets.surveys.sources.base import SourceOptions
from astrid_assets.tracking.client import Tracking
from astrid_assets_tests.small_survey import (
    NAME,
    add_survey,
    objects_of,
    profile_toml,
    rows_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astrid_assets.surveys.profile import SurveyProfile

pytestmark = pytest.mark.slow

NIGHTS = [f"2025-03-0{day}" for day in range(1, 6)]
TOML = profile_toml(nights=len(NIGHTS), side=256)
ASSETS = NIGHTLY_ASSETS[: NIGHTLY_ASSETS.index("detections") + 1]


@dataclass(frozen=True)
class World:
    """A small survey, and an instance that keeps the history of its runs."""

    catalogue: Catalogue
    store: ObjectStore
    instance: dg.DagsterInstance

    @property
    def tools(self) -> Tools:
        """What a step works with."""
        return Tools(self.catalogue, self.store, Compute("serial", 1))

    @property
    def profile(self) -> SurveyProfile:
        """The profile in force."""
        return load_profile(self.catalogue, NAME)

    @functools.cached_property
    def definitions(self) -> dg.Definitions:
        """The graph on these resources."""
        return build_definitions(
            catalogue=self.catalogue,
            store=self.store,
            tracking=Tracking("sqlite:///never-used.db"),
            compute=Compute("serial", 1),
            sources=SourceOptions(),
        )

    def run(
        self, assets: tuple[str, ...], nights: list[str], *, force: bool = False
    ) -> dg.ExecuteInProcessResult:
        """Run assets over a range of nights in one run."""
        config = {"config": {"force": force}}
        result = self.definitions.resolve_job_def("night_job").execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(name) for name in assets],
            tags={
                RANGE_START: str(Night(NAME, nights[0]).key),
                RANGE_END: str(Night(NAME, nights[-1]).key),
            },
            run_config={"ops": dict.fromkeys(assets, config)},
        )
        assert result.success
        return result

    def status(self, asset: str) -> dict[str, StaleStatus]:
        """Return what Dagster thinks of an asset's nights, as its UI asks it."""
        resolver = CachingStaleStatusResolver(
            instance=self.instance,
            asset_graph=self.definitions.resolve_asset_graph(),
            loading_context=LoadingContextForTest(self.instance),
        )
        return {
            night: resolver.get_status(dg.AssetKey(asset), str(Night(NAME, night).key))
            for night in NIGHTS
        }

    def stale(self, asset: str) -> list[str]:
        """Return the nights of an asset that are not fresh."""
        return [n for n, s in self.status(asset).items() if s != StaleStatus.FRESH]

    def versions(self, asset: str) -> dict[str, str]:
        """Return the data version of each night, as Dagster has it."""
        found = self.instance.event_log_storage.get_latest_tags_by_partition(
            dg.AssetKey(asset),
            dg.DagsterEventType.ASSET_MATERIALIZATION,
            ["dagster/data_version"],
        )
        return {key: tags["dagster/data_version"] for key, tags in found.items()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """All nights done, in one run."""
    home = tmp_path_factory.mktemp("home")
    with (
        pytest.MonkeyPatch.context() as patch,
        dg.DagsterInstance.ephemeral() as instance,
    ):
        patch.setenv("ASTRID_HOME", str(home))
        world = World(
            Catalogue(f"sqlite:///{home / 'catalogue.db'}"),
            open_object_store(str(home / "store")),
            instance,
        )
        world.catalogue.migrate()
        add_survey(world.catalogue, TOML)
        instance.add_dynamic_partitions("survey", [NAME])
        world.run(ASSETS, NIGHTS)
        yield world


@pytest.fixture
def world(finished: World) -> Iterator[World]:
    """The finished nights, with the survey's profile put back afterwards."""
    yield finished
    add_survey(finished.catalogue, TOML)
    finished.run(ASSETS, NIGHTS)


def test_finished_nights_are_fresh_and_told_of_once(world: World) -> None:
    for asset in ASSETS:
        assert world.stale(asset) == []
    result = world.run(ASSETS, NIGHTS)
    told = Counter(
        (
            event.step_materialization_data.materialization.asset_key.to_user_string(),
            event.partition,
        )
        for event in result.all_events
        if event.is_step_materialization
    )
    keys = [str(Night(NAME, night).key) for night in NIGHTS]
    assert told == {(asset, key): 1 for asset in ASSETS for key in keys}


def test_running_again_whatever_the_range_keeps_every_night_fresh(
    world: World,
) -> None:
    before = {asset: world.versions(asset) for asset in ASSETS}
    world.run(ASSETS[:4], NIGHTS[1:3])
    world.run(ASSETS[2:4], NIGHTS[4:], force=True)
    for asset in ASSETS:
        assert world.versions(asset) == before[asset]
        assert world.stale(asset) == []


def test_a_changed_reference_makes_exactly_the_nights_stale_that_use_it(
    world: World,
) -> None:
    # References end with night 3: of its own night a frame is never part.
    with world.catalogue.read() as session:
        light = observations.observations_of_night(session, NAME, NIGHTS[2], kind="light")[0]
    exclude = f'exclude = ["{light.source_path}"]'
    add_survey(world.catalogue, TOML.replace("[reference]", f"[reference]\n{exclude}"))
    world.run(("reference_frames",), NIGHTS)
    users = NIGHTS[3:]
    assert world.stale("difference_images") == users
    assert {asset for asset in ASSETS if world.stale(asset)} == {"difference_images"}
    # What follows learns of it when the change arrives there.
    world.run(("difference_images",), users)
    assert world.stale("difference_images") == []
    assert world.stale("detections") == users
    world.run(("detections",), users)
    assert not any(world.stale(asset) for asset in ASSETS)


def test_a_wish_that_chooses_the_same_frames_leaves_everything_fresh(
    world: World,
) -> None:
    shallower = "[reference]\nmax_shallower_mag = 0.9"
    add_survey(world.catalogue, TOML.replace("[reference]", shallower))
    world.run(("reference_frames",), NIGHTS)
    assert not any(world.stale(asset) for asset in ASSETS)


def test_an_input_that_comes_later_than_what_needs_it_makes_that_stale(
    world: World,
) -> None:
    with dg.DagsterInstance.ephemeral() as empty:
        empty.add_dynamic_partitions("survey", [NAME])
        other = World(world.catalogue, world.store, empty)
        other.run(("difference_images",), NIGHTS[:2])
        assert other.status("difference_images")[NIGHTS[0]] == StaleStatus.FRESH
        other.run(("reference_frames",), NIGHTS[:1])
        assert other.status("difference_images")[NIGHTS[0]] == StaleStatus.STALE
        assert other.status("difference_images")[NIGHTS[1]] == StaleStatus.FRESH


def test_finished_nights_are_not_outdated_and_looking_changes_nothing(
    world: World,
) -> None:
    rows, objects = rows_of(world.catalogue), objects_of(world.store)
    assert outdated_nights(world.tools, world.profile) == {}
    for setting, asset in (
        ("[detector]\nread_noise_e = 7.0", "raw_observations"),
        ("[calibration]\nmin_master_frames = 6", "calibration_masters"),
        ("[processing]\nmin_stars = 6", "processed_frames"),
        ("[differencing]\nmax_std_score = 1.4", "difference_images"),
    ):
        section, _, line = setting.partition("\n")
        toml = TOML.replace(section, setting) if section in TOML else TOML + setting
        add_survey(world.catalogue, toml)
        outdated = outdated_nights(world.tools, world.profile)
        assert outdated == dict.fromkeys(NIGHTS, asset), line
    add_survey(world.catalogue, TOML)
    assert rows_of(world.catalogue) == rows
    assert objects_of(world.store) == objects


CHANGES = {
    "both": "[reference]\nframes = 2\n[detection]\nthreshold_sigma = 5.5",
    "nothing": "[reference]\nmax_shallower_mag = 0.9",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_outdated_is_exactly_what_running_again_would_do(world: World, change: str) -> None:
    # The profile ends with its references.
    reference, _, rest = change.partition("[detection]")
    more = f"[detection]{rest}" if rest else ""
    add_survey(world.catalogue, TOML + reference.removeprefix("[reference]") + more)
    told = outdated_nights(world.tools, world.profile)
    assert bool(told) == (change != CHANGES["nothing"])
    done: dict[str, str] = {}
    for asset, step in (
        ("reference_frames", reference_nights),
        ("difference_images", subtract_nights),
        ("detections", detect_nights),
    ):
        for report in step(world.tools, world.profile, NIGHTS):
            if not report.unchanged and asset == told.get(report.night, asset):
                done.setdefault(report.night, asset)
    assert told == done
