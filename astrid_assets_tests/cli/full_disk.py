"""Fills a small disk under parts of a home, and runs `astrid` on it; started by `test_full_disk`.

Runs in a mount namespace of its own, where a file system in memory may be mounted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from astrid_assets.cli.main import astrid
from astrid_assets.cli.workplace import open_catalogue, open_store
from astrid_assets_tests.small_survey import NAME, objects_of, profile_toml, rows_of

DISK_MB = 64
BACKFILL = ("backfill", "--survey", NAME, "--upto", "raw_observations")


def mount(folder: Path) -> None:
    """Put a small, empty disk under a folder."""
    folder.mkdir(parents=True)
    options = ["-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs"]
    subprocess.run(["mount", *options, str(folder)], check=True)


def fill(disk: Path, free_kb: int) -> Path:
    """Take all of a disk but some kB; returns the file that does."""
    free = os.statvfs(disk)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(free.f_bavail * free.f_frsize - free_kb * 1024))
    return ballast


def run(*arguments: str) -> tuple[int, str]:
    """Run `astrid` in this process; returns exit code and output."""
    done = CliRunner().invoke(astrid, list(arguments), prog_name="astrid")
    return done.exit_code, done.output


def tried(folder: Path, full: str, free_kb: int) -> dict[str, object]:
    """Run a survey in a new home of which one folder is full, and again when it is not.

    Parameters
    ----------
    full
        ``home`` or ``store``: which of the two lies on the small disk.
    """
    home, store = folder / "home", folder / "store"
    mount(folder / full)
    os.environ["ASTRID_HOME"], os.environ["ASTRID_STORE_URL"] = str(home), str(store)
    os.environ["ASTRID_DATABASE_URL"] = f"sqlite:///{folder / 'catalogue.db'}"
    toml = folder / "survey.toml"
    toml.write_text(profile_toml(nights=1, side=128))
    added = run("survey", "add", str(toml))
    ballast = fill(folder / full, free_kb)
    said = run(*BACKFILL)
    left = len(rows_of(open_catalogue())["observations"])
    ballast.unlink()
    again = run(*BACKFILL)
    return {
        "added": added,
        "said": said,
        "rows_left": left,
        "again": again,
        "rows": repr(rows_of(open_catalogue())),
        "objects": sorted(objects_of(open_store())),
    }


if __name__ == "__main__":
    place = Path(sys.argv[1])
    found = {
        f"{full} {free_kb}": tried(place / f"{full}{free_kb}", full, free_kb)
        for full, free_kb in (("home", 4), ("home", 260), ("home", 720), ("store", 100))
    }
    (place / "found.json").write_text(json.dumps(found))
