"""A home of its own for each test, the command line, and a folder of tiny frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from astrid_assets.cli.main import astrid
from astrid_assets.resources.environment import VARIABLES
from astrid_assets.resources.home import project_root

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Cli = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home; no variable of the person who runs the tests reaches it."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    monkeypatch.setenv("ASTRID_HOME", str(folder))
    monkeypatch.setenv("DAGSTER_HOME", str(project_root()))
    monkeypatch.setenv("ASTRID_WORKERS", "1")
    return folder


@pytest.fixture
def cli(home: Path) -> Cli:
    """Run `astrid` with arguments in this process."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(astrid, list(arguments), prog_name="astrid")

    return run


@pytest.fixture
def frames(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Two nights of three frames each, noise with a header."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for day in ("2025-03-01", "2025-03-02"):
        for number in range(3):
            data = rng.normal(1000, 30, (64, 64)).astype(np.uint16)
            hdu = fits.PrimaryHDU(data)
            hdu.header["DATE-OBS"] = f"{day}T22:1{number}:00"
            hdu.header["EXPTIME"] = 60.0
            hdu.header["FILTER"] = "r"
            hdu.header["GAIN"] = 1.5
            hdu.header["RDNOISE"] = 6.0
            hdu.writeto(folder / f"frame_{day}_{number}.fits")
    return folder
