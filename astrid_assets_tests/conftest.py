"""Fixtures shared by all tests: a seeded generator and the optional real data."""

from __future__ import annotations

import re
import signal
import threading
from pathlib import Path

import numpy as np
import pytest

from astrid_assets.resources.environment import keep_compiled_code

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"
NOT_QUICK = ("slow", "soak", "data", "postgres", "browser")
ALL_OF_IT = re.compile(rf"^pytestmark = .*pytest\.mark\.({'|'.join(NOT_QUICK)})\b", re.MULTILINE)
"""A file that marks all of its tests."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of `make quick`."""
    parser.addoption(
        "--quick",
        action="store_true",
        help=f"run no test that is marked {', '.join(NOT_QUICK)}",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out a file of which nothing runs: what it imports may take seconds."""
    if not config.getoption("quick") or collection_path.suffix != ".py":
        return None
    return bool(ALL_OF_IT.search(collection_path.read_text())) or None


def pytest_configure(config: pytest.Config) -> None:
    """Share compiled code, and hear Ctrl-C even when a script started the tests.

    A shell lets its background jobs ignore Ctrl-C, children inherit that, and Dagster
    ends the programs that follow a step's output with it.
    """
    if config.getoption("quick"):
        config.option.markexpr = f"not ({' or '.join(NOT_QUICK)})"
    elif not config.option.markexpr:
        config.option.markexpr = "not soak"
    # Machine code is kept once for all tests, whatever home each of them has.
    keep_compiled_code()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with files that hold slow tests, of those with the ones in no folder.

    Workers take whole files in this order; a long one at the end would keep one of them
    waiting for minutes.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, len(item.path.parts)))


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed: every run sees the same numbers."""
    return np.random.default_rng(20250301)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real frames and alerts; tests that need it skip without it."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder ../shared/data with real frames is not here")
    return SHARED_DATA
