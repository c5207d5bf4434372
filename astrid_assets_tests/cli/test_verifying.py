"""`astrid doctor --verify` finds what is lost or damaged, and makes it again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from astrid_assets.cli.main import astrid
from astrid_assets.resources.environment import VARIABLES
from astrid_assets.resources.home import project_root
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets_tests.small_survey import NAME, NIGHTS, profile_toml, rows_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
KINDS = ("raw", "masters", "processed", "references", "differences", "cutouts", "pictures")


@dataclass
class Home:
    """A home in which commands run."""

    folder: Path

    def run(self, *words: str) -> tuple[int, str]:
        """Run a command in this process; returns its exit code and all it printed."""
        environment: dict[str, str | None] = dict.fromkeys(VARIABLES)
        own = {
            "ASTRID_HOME": str(self.folder),
            "ASTRID_WORKERS": "1",
            "DAGSTER_HOME": str(project_root()),
        }
        done = CliRunner().invoke(astrid, list(words), prog_name="astrid", env=environment | own)
        return done.exit_code, done.output

    @property
    def database(self) -> Path:
        """The catalogue's file."""
        return self.folder / "catalogue.db"

    def settle(self) -> None:
        """Have the database's file hold all of it, and nothing beside it."""
        with contextlib.closing(sqlite3.connect(self.database)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def objects(self, kind: str = "") -> list[Path]:
        """Return the files of the store, or of one of its folders, sorted."""
        return sorted(p for p in (self.folder / "store" / kind).rglob("*") if p.is_file())

    def content(self) -> tuple[dict[str, str], dict[str, list[tuple[object, ...]]]]:
        """Return the checksum of every object and every row."""
        catalogue = Catalogue(f"sqlite:///{self.database}")
        sums = {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self.objects()
        }
        try:
            return sums, rows_of(catalogue)
        finally:
            catalogue.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with three small nights."""
    made = Home(tmp_path_factory.mktemp("whole"))
    toml = made.folder / "survey.toml"
    toml.write_text(profile_toml(nights=3, side=256))
    assert made.run("survey", "add", str(toml))[0] == 0
    code, printed = made.run("backfill", "--survey", NAME)
    assert code == 0, printed
    return made


@pytest.fixture
def home(whole: Home, tmp_path: Path) -> Home:
    """A copy of it, to be damaged."""
    shutil.copytree(whole.folder, tmp_path / "home")
    return Home(tmp_path / "home")


def flip(path: Path) -> None:
    """Change one bit in the middle of a file: its size stays."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_whatever_is_lost_or_damaged_is_listed_and_made_again(whole: Home, home: Home) -> None:
    for kind in KINDS:
        first, *_, last = home.objects(kind)
        flip(first)
        if last != first:
            last.unlink()
    code, printed = home.run("doctor", "--verify")
    assert code == 1
    for night in NIGHTS[:3]:
        assert f"{NAME} {night}: " in printed
    for asset in ("raw_observations", "processed_frames", "difference_images", "detections"):
        assert f" 1 {asset} damaged" in printed
        assert f" 1 {asset} lost" in printed
    assert re.search(r"1 picture of \w+ damaged", printed)
    assert f"astrid backfill --survey {NAME} --from {NIGHTS[0]} --to {NIGHTS[0]} " in printed
    code, printed = home.run("doctor", "--verify", "--fix")
    assert code == 0, printed
    assert "are made again" in printed
    assert home.content() == whole.content()


def test_the_command_that_is_named_makes_a_damaged_object_again(whole: Home, home: Home) -> None:
    flip(home.objects("differences")[0])
    printed = home.run("doctor", "--verify")[1]
    (command,) = [line for line in printed.splitlines() if "→ astrid backfill" in line]
    words = command.split("→ astrid ")[1].split(";")[0].split()
    assert "--force" in words
    code, printed = home.run(*words)
    assert code == 0, printed
    assert home.content() == whole.content()
    assert home.run("doctor", "--verify")[0] == 0


def test_frames_are_made_again_without_the_source_and_beside_what_cannot_be(
    whole: Home, home: Home
) -> None:
    with sqlite3.connect(home.database) as connection:
        connection.execute(
            "UPDATE surveys SET profile_toml = replace(replace(profile_toml, "
            '\'kind = "simulated"\', \'kind = "folder"\npath = "/nowhere"\'), '
            "'scene = \"wide\"', '')"
        )
        (toml,) = connection.execute("SELECT profile_toml FROM surveys").fetchone()
        lines = toml.splitlines()
        gone = ("seed", "nights", "frames_per_night", "shape", "scene", "first_night")
        kept = "\n".join(line for line in lines if not line.startswith(gone))
        connection.execute("UPDATE surveys SET profile_toml = ?", [kept])
    flip(home.objects("processed")[0])
    home.objects("differences")[-1].unlink()
    assert home.run("doctor", "--verify", "--fix")[0] == 0
    assert home.content()[0] == whole.content()[0]

    raw, processed = home.objects("raw")[0], home.objects("processed")[-1]
    flip(raw)
    processed.unlink()
    code, printed = home.run("doctor", "--verify", "--fix")
    assert code == 1
    assert "/nowhere does not exist" in printed
    assert "1 of 2 lost or damaged objects are made again" in printed
    assert processed.exists()


def test_a_pipe_in_the_store_is_damage_and_not_waited_for(home: Home) -> None:
    cutouts = home.objects("cutouts")[0]
    cutouts.unlink()
    os.mkfifo(cutouts)
    code, printed = home.run("doctor", "--verify")
    assert code == 1
    assert "1 detections damaged" in printed


def test_a_forced_night_that_cannot_be_made_is_no_success(home: Home) -> None:
    # The reference is stacked again from a frame of another night, which is damaged, too.
    for path in home.objects("references"):
        flip(path)
    for path in home.objects(f"processed/{NAME}/{NIGHTS[0]}"):
        flip(path)
    night = ("--from", NIGHTS[1], "--to", NIGHTS[1])
    code, printed = home.run("backfill", "--survey", NAME, *night, "--force")
    assert code == 1, printed
    assert f"{NAME} {NIGHTS[1]} failed" in printed
    assert "is damaged" in printed


def test_a_damaged_index_is_made_anew_and_a_damaged_table_told(home: Home) -> None:
    with sqlite3.connect(home.database) as connection:
        # An entry of an index is taken away behind the database's back.
        connection.execute("PRAGMA writable_schema=ON")
        sql = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'ix_observations_time'"
        ).fetchone()[0]
        connection.execute(
            "UPDATE sqlite_master SET sql = sql || ' WHERE observed_mjd < 0' "
            "WHERE name = 'ix_observations_time'"
        )
    with sqlite3.connect(home.database) as connection:
        connection.execute("REINDEX ix_observations_time")
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute(
            "UPDATE sqlite_master SET sql = ? WHERE name = 'ix_observations_time'", [sql]
        )
    code, printed = home.run("doctor", "--verify")
    assert code == 1
    assert "missing from index ix_observations_time" in printed
    code, printed = home.run("doctor", "--verify", "--fix")
    assert code == 0, printed
    assert "made anew" in printed
    assert home.run("doctor", "--verify")[0] == 0

    home.settle()
    content = bytearray(home.database.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    with sqlite3.connect(home.database) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'candidates'"
        ).fetchone()
    content[(page - 1) * size : (page - 1) * size + 200] = bytes(200)
    home.database.write_bytes(content)
    code, printed = home.run("doctor", "--verify", "--fix")
    assert code == 1
    assert "restore the catalogue from a backup" in printed
    assert "Traceback" not in printed


def test_an_empty_catalogue_beside_a_filled_store_is_no_new_home(whole: Home, home: Home) -> None:
    kept = home.folder / "kept.db"
    home.settle()
    home.database.rename(kept)
    for path in home.folder.glob("catalogue.db-*"):
        path.unlink()
    for words in (("status",), ("backfill",), ("doctor",), ("survey", "list")):
        code, printed = home.run(*words)
        assert code == 1, printed
        assert "is empty, but the store" in printed
    for path in home.folder.glob("catalogue.db*"):
        path.unlink()
    kept.rename(home.database)
    assert home.run("doctor", "--verify")[0] == 0
    assert home.content() == whole.content()
