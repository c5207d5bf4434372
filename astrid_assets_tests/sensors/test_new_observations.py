"""New frames ask for their nights once, whatever dies in between."""

import os
import time
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from astropy.io import fits

from astrid_assets.compute import Compute
from astrid_assets.definitions import defs
from astrid_assets.sensors.new_observations import (
    MAX_RUNS,
    Unhurried,
    new_observations,
    nights_to_run,
)
from astrid_assets.steps.nights import Tools
from astrid_assets.steps.raw_observations.ingest import register_nights
from astrid_assets.storage.database.catalogue import Catalogue, now
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets.storage.queries import observations
from astrid_assets.surveys.profile import SurveyProfile
from astrid_assets.surveys.sources.base import SourceOptions
from astrid_assets.surveys.sources.opening import open_source


class World:
    """A survey in a folder, and what its sensor works with."""

    def __init__(self, catalogue: Catalogue, folder: Path) -> None:
        self.folder = folder / "frames"
        self.folder.mkdir()
        self.catalogue = catalogue
        self.tools = Tools(catalogue, FolderObjectStore(folder / "store"), Compute())
        self.profile = self.add_survey("wide", self.folder)

    def add_survey(self, name: str, folder: Path) -> SurveyProfile:
        """Add a survey of the frames of a folder."""
        toml = (
            f'name = "{name}"\n[source]\nkind = "folder"\npath = "{folder}"\n'
            "[detector]\ngain_e_per_adu = 1.0\nread_noise_e = 5.0\n"
            "[night]\nutc_shift_hours = 0\n"
        )
        with self.catalogue.begin() as session:
            row = Survey(name=name, profile_toml=toml, created_at=now(), updated_at=now())
            upsert(session, [row])
        return SurveyProfile.from_toml(toml)

    def add_frame(self, name: str, date: str, level: float = 100.0) -> Path:
        """Write a frame of three in the morning."""
        pixels = np.random.default_rng(1).normal(level, 5.0, (64, 64))
        header = fits.Header({"DATE-OBS": f"{date}T03:00:00", "EXPTIME": 60.0, "FILTER": "r"})
        path = self.folder / name
        fits.PrimaryHDU(pixels.astype(np.float32), header).writeto(path, overwrite=True)
        return path

    def wanted(self, until: float | None = None) -> list[str]:
        """Return the nights that should run."""
        source = open_source(self.profile)
        until = time.monotonic() + 60 if until is None else until
        found = nights_to_run(self.tools, self.profile, source, until)
        return sorted(night.date for night in found)

    def register(self, *nights: str) -> None:
        """Do what `raw_observations` does."""
        source = open_source(self.profile)
        list(register_nights(self.tools, self.profile, source, nights))

    def tick(self, instance: dg.DagsterInstance) -> tuple[list[dg.RunRequest], list[str], str]:
        """Return run requests, surveys to add as partitions, and the skip message."""
        with dg.build_sensor_context(
            instance=instance,
            instance_ref=instance.get_ref(),
            definitions=defs,
            resources={
                "catalogue": self.catalogue,
                "store": self.tools.store,
                "sources": SourceOptions(),
            },
        ) as context:
            data = new_observations.evaluate_tick(context)
        added = [
            key
            for request in data.dynamic_partitions_requests or []
            for key in request.partition_keys
        ]
        return list(data.run_requests or []), added, data.skip_message or ""


@pytest.fixture
def world(catalogue: Catalogue, tmp_path: Path) -> World:
    return World(catalogue, tmp_path)


def test_a_night_with_new_frames_is_wanted_until_it_is_registered(
    world: World,
) -> None:
    world.add_frame("a.fits", "2025-03-01")
    world.add_frame("b.fits", "2025-03-03")
    assert world.wanted() == ["2025-03-01", "2025-03-03"]
    assert world.wanted() == ["2025-03-01", "2025-03-03"], "a dead tick loses nothing"
    world.register("2025-03-01")
    assert world.wanted() == ["2025-03-03"]
    world.register("2025-03-03")
    assert world.wanted() == []


def test_a_late_frame_asks_for_its_night_again(world: World) -> None:
    world.add_frame("a.fits", "2025-03-01")
    world.add_frame("b.fits", "2025-03-02")
    world.register("2025-03-01", "2025-03-02")
    world.add_frame("late.fits", "2025-03-01", level=120.0)
    assert world.wanted() == ["2025-03-01"]


def test_a_changed_frame_asks_for_its_night_again(world: World) -> None:
    path = world.add_frame("a.fits", "2025-03-01")
    world.register("2025-03-01")
    world.add_frame("a.fits", "2025-03-01", level=300.0)
    os.utime(path, ns=(1, 1))
    assert world.wanted() == ["2025-03-01"]


def test_a_file_without_a_date_asks_for_nothing(world: World) -> None:
    (world.folder / "empty.fits").write_bytes(b"")
    assert world.wanted() == []


def test_when_the_time_is_over_new_files_wait_for_the_next_tick(world: World) -> None:
    world.add_frame("a.fits", "2025-03-01")
    assert world.wanted(until=time.monotonic() - 1) == []
    with world.catalogue.read() as session:
        assert observations.known_files(session, "wide") == {}
    assert world.wanted() == ["2025-03-01"]


def test_known_files_are_offered_even_when_the_time_is_over(world: World) -> None:
    world.add_frame("a.fits", "2025-03-01")
    world.add_frame("b.fits", "2025-03-02")
    source = open_source(world.profile)
    first = next(iter(source.files()))
    known = {first.path: (first.size_bytes, first.mtime_ns)}
    unhurried = Unhurried(source, known, until=time.monotonic() - 1)
    assert [file.path for file in unhurried.files()] == [first.path]
    assert unhurried.put_off == 1


def test_consecutive_nights_are_one_run(world: World, instance: dg.DagsterInstance) -> None:
    for day in (1, 2, 3, 5):
        world.add_frame(f"{day}.fits", f"2025-03-0{day}")
    requests, _, _ = world.tick(instance)
    assert [request.job_name for request in requests] == ["night_job", "night_job"]
    block, single = requests
    assert block.partition_key is None
    assert block.tags["dagster/asset_partition_range_start"] == "2025-03-01|wide"
    assert block.tags["dagster/asset_partition_range_end"] == "2025-03-03|wide"
    assert single.partition_key == "2025-03-05|wide"


def test_the_same_frames_have_the_same_run_key(world: World, instance: dg.DagsterInstance) -> None:
    world.add_frame("a.fits", "2025-03-01")
    [first], _, _ = world.tick(instance)
    [again], _, _ = world.tick(instance)
    assert first.run_key is not None
    assert first.run_key == again.run_key
    world.add_frame("b.fits", "2025-03-01", level=150.0)
    [changed], _, _ = world.tick(instance)
    assert changed.run_key != first.run_key


def test_nothing_new_is_a_skip(world: World, instance: dg.DagsterInstance) -> None:
    requests, added, message = world.tick(instance)
    assert requests == []
    assert added == []
    assert message


def test_a_survey_that_the_instance_does_not_know_becomes_a_partition(
    world: World, instance: dg.DagsterInstance
) -> None:
    other = world.folder.parent / "deep"
    other.mkdir()
    (other / "ignored.txt").write_text("not a frame")
    world.add_survey("deep", other)
    world.add_frame("a.fits", "2025-03-01")
    requests, added, _ = world.tick(instance)
    assert added == ["deep"]
    assert len(requests) == 1


def test_a_source_that_is_away_does_not_stop_the_other_surveys(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.add_survey("away", world.folder.parent / "no such folder")
    instance.add_dynamic_partitions("survey", ["away"])
    _, _, message = world.tick(instance)
    assert "away: " in message
    assert "no such folder" in message
    world.add_frame("a.fits", "2025-03-01")
    requests, _, _ = world.tick(instance)
    assert len(requests) == 1


def test_a_night_before_the_first_partition_is_told_not_requested(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.add_frame("old.fits", "1999-12-31")
    requests, _, message = world.tick(instance)
    assert requests == []
    assert "1999-12-31" in message
    assert "ASTRID_FIRST_NIGHT" in message


def test_a_large_backlog_is_requested_in_portions(
    world: World, instance: dg.DagsterInstance
) -> None:
    for number in range(MAX_RUNS + 2):
        world.add_frame(f"{number}.fits", f"2025-{number % 12 + 1:02d}-01")
    requests, _, _ = world.tick(instance)
    assert len(requests) == MAX_RUNS
