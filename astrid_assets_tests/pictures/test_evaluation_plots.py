"""Plots of an evaluation: equal input gives equal bytes, and odd input a picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from astrid_assets.pictures.evaluation_plots import (
    Bar,
    ShareBin,
    confusion_plot,
    ranking_plot,
    reliability_plot,
    share_plot,
)
from astrid_assets.pictures.mask_sheet import mask_sheet
from astrid_assets.pictures.thumbnails import POSITIVE


def opened(content: bytes) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(content)).convert("RGB"))


@pytest.mark.slow
def test_every_plot_of_an_evaluation_can_be_drawn_twice_alike():
    curve = {
        "completeness": [0.0, 0.8, 1.0],
        "false_positive_rate": [0.0, 0.0, 1.0],
        "purity": [1.0, 1.0, 0.5],
    }
    bar = Bar(0.5, 0.4, 0.6)
    for draw in (
        lambda: ranking_plot({"model": curve, "S/N": curve, "rb": curve}),
        lambda: reliability_plot([(0.3, bar)], [0.0, 0.5, 1.0], [0, 9], [7, 1]),
        lambda: share_plot([ShareBin("5-7", bar, None), ShareBin("7+", None, bar)], "|S/N|"),
        lambda: share_plot([], "magnitude"),
        lambda: confusion_plot(9, 1, 80, 0),
    ):
        png = draw()
        assert png[:4] == b"\x89PNG"
        assert png == draw()


def test_a_sheet_shows_the_mask_where_it_lies_and_the_edge_of_the_truth():
    cutouts = np.zeros((1, 3, 64, 64), dtype=np.float32)
    masks = np.zeros((1, 32, 32), dtype=np.float32)
    masks[0, 16, 16] = 1.0
    truth = np.zeros((1, 64, 64), dtype=np.uint8)
    truth[0, 10:13, 20:23] = 1
    drawn = opened(mask_sheet(cutouts, masks, truth, ["0.9"]))
    panel = drawn[12:76, -4 - 64 : -4]
    # Row 0 is the bottom: the predicted pixel is at [32, 32], the truth's edge around [11, 21].
    assert panel[63 - 32, 32].min() > 250
    assert np.abs(panel[63 - 10, 20].astype(int) - POSITIVE).max() < 8
    assert panel[63 - 11, 21].max() < 5


def test_many_cutouts_stand_in_rows(rng):
    cutouts = rng.normal(size=(5, 3, 64, 64)).astype(np.float32)
    sheet = opened(mask_sheet(cutouts, cutouts[:, 0], np.zeros((5, 64, 64), np.uint8), ["x"] * 5))
    assert sheet.shape[0] == 3 * (64 + 12 + 4)
