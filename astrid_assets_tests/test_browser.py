"""What people see, in a real browser: the report and the Dagster UI."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from astrid_assets.resources.home import project_root
from astrid_assets_tests.small_survey import NAME, profile_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

BIN = Path(sys.executable).parent
NIGHTS = ("2025-03-01", "2025-03-02")
START_S = 120
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The Chromium that is installed here."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two nights that were run from the command line."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "survey.toml").write_text(profile_toml(nights=2, side=256))
    for arguments in (
        ["survey", "add", str(folder / "survey.toml")],
        ["backfill", "--survey", NAME, "--workers", "1"],
        ["report"],
    ):
        subprocess.run(
            [BIN / "astrid", *arguments],
            env=environment(folder),
            check=True,
            capture_output=True,
            timeout=240,
        )
    return folder


@pytest.fixture(scope="module")
def webserver(home: Path) -> Iterator[str]:
    """Dagster's webserver over the project's workspace."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    root = project_root()
    with (home / "webserver.log").open("wb") as log:
        process = subprocess.Popen(
            [
                BIN / "dagster-webserver",
                *("--workspace", str(root / "workspace.yaml")),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            env=environment(home) | {"DAGSTER_HOME": str(root)},
            cwd=root,
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_S
        while not is_up(url):
            assert process.poll() is None, (home / "webserver.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def environment(home: Path) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if k != "DAGSTER_HOME"}
    return inherited | {"ASTRID_HOME": str(home)}


def is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/server_info", timeout=2):  # noqa: S310  our own server
            return True
    except (urllib.error.URLError, OSError):
        return False


def test_every_picture_of_the_report_is_drawn(browser: Browser, home: Path) -> None:
    page = browser.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto((home / "report.html").as_uri())
    assert NAME in page.inner_text("body")
    widths = page.eval_on_selector_all("img", "all => all.map(i => i.naturalWidth)")
    assert len(widths) >= 3
    assert min(widths) > 50
    # Nothing comes from outside: the page can be mailed.
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def test_the_ui_shows_a_night_with_its_picture(browser: Browser, webserver: str) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(
        f"{webserver}/assets/difference_images?view=partitions&partition={NIGHTS[1]}%7C{NAME}"
    )
    page.get_by_text("std_score").first.wait_for(timeout=60_000)
    page.get_by_text("Show Markdown").first.click()
    picture = page.locator("img[src^='data:image/png']").first
    picture.wait_for(timeout=20_000)
    assert picture.evaluate("image => image.naturalWidth") > 300


def test_the_ui_shows_checks_with_value_and_limit(browser: Browser, webserver: str) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(f"{webserver}/assets/difference_images?view=checks")
    page.get_by_text("score_noise").first.click(timeout=60_000)
    page.get_by_text("<= 1.5").first.wait_for(timeout=20_000)
    assert "Passed" in page.inner_text("body")
