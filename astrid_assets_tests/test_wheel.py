"""The wheel: what it holds, and that it runs in an empty folder of a new environment."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from astrid_assets.resources.environment import VARIABLES
from astrid_assets.resources.home import DEPLOYMENT, project_root
from astrid_assets_tests.small_survey import NAME, profile_toml

ROOT = project_root()
INPUTS = ("pyproject.toml", "README.md", "LICENSE", "astrid_assets")
CODE_SUFFIXES = {".py", ".pyc"}
PATIENCE_S = 900  # a busy machine compiles all kernels for the new environment


def test_the_packaged_settings_of_dagster_are_those_at_the_top() -> None:
    packaged = {path.name: path.read_bytes() for path in DEPLOYMENT.glob("*.yaml")}
    assert packaged == {
        name: (ROOT / name).read_bytes() for name in ("dagster.yaml", "workspace.yaml")
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that the checkout stays as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in INPUTS:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", folder, source], check=True, timeout=PATIENCE_S)
    (made,) = folder.glob("*.whl")
    return made


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package_and_no_test(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    there = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "astrid_assets").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == there
    assert {Path(name).suffix for name in packed} > {".py", ".html", ".css", ".js", ".yaml"}


@dataclass(frozen=True)
class Installed:
    """The wheel in a new environment, and an empty folder to work in."""

    environment: Path
    work: Path

    @property
    def packages(self) -> Path:
        """Where it is installed."""
        (found,) = self.environment.glob("lib/python*/site-packages")
        return found

    def run(self, *command: str) -> str:
        """Run a program of the environment in the folder; return what it prints."""
        ours = {*VARIABLES, "NUMBA_CACHE_DIR", "PYTHONPATH"}
        return subprocess.run(
            [str(self.environment / "bin" / command[0]), *command[1:]],
            cwd=self.work,
            env={name: value for name, value in os.environ.items() if name not in ours},
            check=True,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        ).stdout


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Installed:
    environment, work = tmp_path / "environment", tmp_path / "work"
    work.mkdir()
    new = [sys.executable, "-m", "venv", "--without-pip", str(environment)]
    subprocess.run(new, check=True, timeout=PATIENCE_S)
    found = Installed(environment, work)
    # The libraries are borrowed; a path file adds them without our own checkout.
    (found.packages / "borrowed.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    python = str(environment / "bin" / "python")
    install = ["-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
    subprocess.run(
        [sys.executable, *install, "--no-index", str(wheel)], check=True, timeout=PATIENCE_S
    )
    where = found.run("python", "-c", "import astrid_assets; print(astrid_assets.__file__)")
    assert Path(where).is_relative_to(found.packages)
    return found


@pytest.mark.slow
def test_a_survey_is_added_from_the_wheel_in_an_empty_folder(installed: Installed) -> None:
    toml = installed.work.parent / "survey.toml"
    toml.write_text(profile_toml(nights=2, side=256))
    installed.run("astrid", "survey", "add", str(toml))
    # The graph runs with the packaged settings of Dagster, its database with the migrations.
    installed.run("astrid", "backfill", "--survey", NAME, "--upto", "raw_observations")
    frames = installed.run("astrid", "status", "--survey", NAME)
    assert "2025-03-01" in frames
    assert "2025-03-02" in frames
    assert {path.name for path in installed.work.iterdir()} == {".astrid"}


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_the_tiny_demo_runs_from_the_wheel_in_an_empty_folder(
    installed: Installed, wheel: Path
) -> None:
    # Two processes would compile every kernel twice.
    shown = installed.run("astrid", "demo", "--tiny", "--workers", "1")
    assert "sim-tiny: known changes found" in shown
    work, packages = installed.work, installed.packages
    assert (work / ".astrid" / "report.html").is_file()
    found = installed.run("astrid", "detections", "--survey", "sim-tiny", "--format", "csv")
    assert len(found.splitlines()) > 10
    # Compiled code and settings are in the home, not among the installed files.
    assert any((work / ".astrid" / "compiled").rglob("*.nbi"))
    assert not list(packages.rglob("*.nbi"))
    assert {path.name for path in work.iterdir()} == {".astrid"}
    there = {
        path.relative_to(packages).as_posix()
        for path in (packages / "astrid_assets").rglob("*")
        if path.is_file() and path.suffix not in CODE_SUFFIXES
    }
    with zipfile.ZipFile(wheel) as archive:
        assert there <= set(archive.namelist())
