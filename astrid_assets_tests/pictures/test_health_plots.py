"""The plot of a model's health shows failures in colour and states how little was measured."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from astrid_assets.pictures.health_plots import HealthPoint, health_plot, said_of
from astrid_assets.pictures.plots import ACCENT

GOOD = HealthPoint("2026-03-02", 200, 0.95, 0.9, 0.98, 0.93, passed=True)
BAD = replace(GOOD, day="2026-03-09", value=0.7, low=0.6, high=0.8, passed=False)
FEW = HealthPoint("2026-03-16", 12, None, None, None, None, None)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([FEW], "not measured: 12 items are too few"),
        ([GOOD], "newest: 200 items; 1 week shows no trend"),
        ([GOOD, BAD, FEW], "newest: 200 items; 2 weeks show no trend"),
        ([GOOD, BAD, GOOD], "newest: 200 items"),
    ],
)
def test_a_panel_states_its_items_and_that_they_are_few(
    points: list[HealthPoint], said: str
) -> None:
    assert said_of(points) == said


def pixels(picture: bytes, colour: str) -> int:
    """Count the pixels of a colour."""
    rgb = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return int((rgb == wanted).all(axis=-1).sum())


@pytest.mark.slow
def test_what_failed_is_coloured_and_what_passed_is_not() -> None:
    numbers = ("purity", "calibration", "error", "ms_per_cutout")
    assert pixels(health_plot({name: [GOOD, FEW] for name in numbers}), ACCENT) == 0
    assert pixels(health_plot({name: [GOOD, BAD, FEW] for name in numbers}), ACCENT) > 10
