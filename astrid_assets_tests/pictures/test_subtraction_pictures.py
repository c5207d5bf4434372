"""Pictures of the subtraction are drawn from what was measured, and fit the log."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from astrid_assets.pictures.subtraction import gates_picture, methods_picture
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.quality.cross_check import cross_check
from astrid_assets.science.simulation.pair import simulate_pair

pytestmark = pytest.mark.slow

MAX_BYTES = 30_000  # of a picture in Dagster's event log
SETTINGS = DifferencingSettings()


@pytest.fixture(scope="module")
def pair():
    return simulate_pair(3, (256, 256), stars_per_mpx=4000.0, n_transients=8)


@pytest.fixture(scope="module")
def difference(pair):
    return subtract(pair.science, pair.reference, SETTINGS)


def opened(png: bytes) -> np.ndarray:
    assert len(png) < MAX_BYTES
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def test_the_gates_picture_shows_the_stars(difference):
    full = opened(gates_picture(difference, SETTINGS))
    empty = opened(gates_picture(replace(difference, evidence=None), SETTINGS))
    red = lambda p: int(((p[..., 0] - p[..., 2]) > 100).sum())  # noqa: E731  one use
    assert full.shape == empty.shape
    assert red(full) > red(empty) + 500


def test_the_same_difference_gives_the_same_bytes(difference):
    assert gates_picture(difference, SETTINGS) == gates_picture(difference, SETTINGS)


def test_the_methods_picture_is_drawn_without_any_change_too(pair, difference):
    check = cross_check(pair.science, pair.reference, difference, SETTINGS)
    nothing = type(check.changes)(*(np.zeros(0) for _ in range(4)))
    assert opened(methods_picture(check, SETTINGS)).std() > 5
    assert opened(methods_picture(replace(check, changes=nothing), SETTINGS)).std() > 5
