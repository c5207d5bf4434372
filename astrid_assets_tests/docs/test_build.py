"""The documentation builds without a warning."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from astrid_assets.resources.home import project_root

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    site = tmp_path / "html"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    command += ["-D", "nb_execution_mode=off"]  # `test_notebooks` runs them
    result = subprocess.run(
        [*command, "-d", str(tmp_path / "trees"), "docs", str(site)],
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    pages = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    assert {"index.html", "overview.html", "_generated/settings.html"} <= pages
    assert {"_generated/figures.html", "_generated/notebooks/two_frames.html"} <= pages
    assert {
        "learning_requirements.html",
        "_generated/notebooks/training/model_training.html",
    } <= pages
    assert "measure_background" in (site / "_generated/api/sky.html").read_text()
