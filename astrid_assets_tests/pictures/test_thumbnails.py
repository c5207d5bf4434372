"""Pictures: real PNGs that show what they should, small enough for an event log."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from astrid_assets.pictures.plots import completeness_curve, training_curves
from astrid_assets.pictures.thumbnails import (
    MAX_SIDE,
    NEGATIVE,
    POSITIVE,
    cutout_sheet,
    frame_picture,
    score_picture,
    triplet_picture,
)

MAX_BYTES = 60_000


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(png)).convert("RGB")).astype(int)


@pytest.fixture
def sky(rng):
    image = rng.normal(0, 10, (700, 900)).astype(np.float32)
    image[500:506, 100:106] += 4000
    return image


def test_a_star_is_bright_and_up_is_up(sky):
    shown = pixels(frame_picture(sky))
    step = -(-900 // MAX_SIDE)
    height = shown.shape[0]
    star = shown[height - 1 - 503 // step, 103 // step].mean()
    assert star > 200
    assert np.median(shown) < 120


def test_a_picture_fits_into_the_event_log(sky):
    assert len(frame_picture(sky)) < MAX_BYTES
    assert len(score_picture(sky / 10)) < MAX_BYTES


def test_marks_have_the_colour_of_their_sign(rng):
    score = rng.normal(0, 0.1, (200, 200)).astype(np.float32)
    shown = pixels(score_picture(score, marks=[(50, 50, 1), (150, 150, -1)]))
    distance = {
        name: np.abs(shown - np.array(colour)).sum(axis=2).min()
        for name, colour in (("up", POSITIVE), ("down", NEGATIVE))
    }
    assert distance["up"] < 40
    assert distance["down"] < 40


def test_a_single_bright_pixel_of_a_big_score_is_seen():
    score = np.zeros((1200, 1200), dtype=np.float32)
    score[601, 607] = 9
    assert pixels(score_picture(score)).max() > 240


def test_masked_pixels_are_red(sky):
    mask = np.zeros(sky.shape, dtype=np.uint16)
    mask[:300] = 2
    shown = pixels(frame_picture(sky, mask))
    below = shown[-50:, :, :].mean(axis=(0, 1))
    assert below[0] > below[1] + 15


def test_a_triplet_has_three_panels_of_equal_width(sky):
    shown = pixels(triplet_picture(sky, sky, sky * 0))
    assert shown.shape[1] > 2.8 * shown.shape[0] * 700 / 900


def test_cutout_sheets_hold_every_cutout(rng):
    cutouts = rng.normal(size=(7, 3, 64, 64)).astype(np.float32)
    shown = pixels(cutout_sheet(cutouts, columns=3))
    assert shown.shape[0] >= 3 * 64
    with pytest.raises(ValueError, match="no cutouts"):
        cutout_sheet(cutouts[:0])


@pytest.mark.slow
def test_equal_plots_are_equal_bytes():
    history = [
        {
            "epoch": i,
            "train_loss": 1 / (i + 1),
            "val_loss": 1.1 / (i + 1),
            "val_auc": 0.9,
        }
        for i in range(4)
    ]
    assert training_curves(history) == training_curves(history)


def test_a_completeness_curve_takes_empty_bins():
    png = completeness_curve([3, 5, 10, float("inf")], [1, 0, 9], [10, 0, 9])
    assert pixels(png).std() > 1
