"""Fixtures shared by all tests: a seeded generator and the optional real data."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import numpy as np
import pytest

from astrid_assets.resources.environment import keep_compiled_code

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_configure() -> None:
    """Share compiled code, and hear Ctrl-C even when a script started the tests.

    A shell lets its background jobs ignore Ctrl-C, children inherit that, and Dagster
    ends the programs that follow a step's output with it.
    """
    # Machine code is kept once for all tests, whatever home each of them has.
    keep_compiled_code()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
