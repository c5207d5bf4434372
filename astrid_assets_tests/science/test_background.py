"""The sky's level and noise against what was put in."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.background import measure_background, robust_sigma
from astrid_assets.science.errors import FrameRejected
from astrid_assets_tests.science.star_fields import noisy, paint, star_field

SHAPE = (384, 384)
NOTHING_BAD = np.zeros(SHAPE, dtype=bool)


def test_noise_of_a_starry_sky_is_exact_to_two_per_cent(rng):
    field = star_field(rng, 80, SHAPE, sky_e=300, read_noise_e=5)
    sky = measure_background(field.image, NOTHING_BAD)
    assert sky.rms_e == pytest.approx(np.sqrt(325), rel=0.02)
    assert sky.level_e == pytest.approx(300, abs=1.0)


def test_a_gradient_is_followed(rng):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    truth = 300 + 0.2 * x + 0.1 * y
    image = rng.normal(truth, 15).astype(np.float32)
    sky = measure_background(image, NOTHING_BAD)
    inner = np.s_[30:-30, 30:-30]
    assert np.abs(sky.level - truth)[inner].max() < 5
    assert sky.rms_e == pytest.approx(15, rel=0.02)


def test_noise_that_varies_over_the_frame_is_mapped(rng):
    sigma = np.linspace(10, 30, SHAPE[1])[None, :] * np.ones((SHAPE[0], 1))
    sky = measure_background(rng.normal(100, sigma).astype(np.float32), NOTHING_BAD)
    middle = sky.rms[:, 60:-60] / sigma[:, 60:-60]
    assert np.median(middle) == pytest.approx(1, abs=0.05)
    assert middle.std() < 0.1


def test_unresolved_stars_do_not_count_as_noise(rng):
    n = 1560
    x, y = rng.uniform(0, SHAPE[1] / 3, (2, n))
    part = paint((128, 128), x, y, 100 * (1 + rng.pareto(1.0, n)), 3.5)
    light = np.tile(part, (3, 3))  # painting takes time
    light = np.minimum(light, 50_000)
    image = noisy(rng, light, 300, 5)
    sky = measure_background(image, NOTHING_BAD)
    shot = np.sqrt(sky.level_e + 25)
    assert robust_sigma(image - sky.level) > 1.5 * shot  # the field is crowded indeed
    assert sky.rms_e == pytest.approx(shot, rel=0.1)


def test_whole_numbers_have_the_same_noise_as_fractions(rng):
    values = rng.normal(0, 4.3, 400_000)
    assert robust_sigma(np.rint(values)) == pytest.approx(
        np.hypot(4.3, np.sqrt(1 / 12)), rel=0.01
    )


def test_a_constant_image_is_rejected_as_constant():
    with pytest.raises(FrameRejected) as caught:
        measure_background(np.full(SHAPE, 7, dtype=np.float32), NOTHING_BAD)
    assert caught.value.code == "constant"


def test_a_frame_without_pixels_is_rejected_as_missing():
    image = np.full(SHAPE, np.nan, dtype=np.float32)
    with pytest.raises(FrameRejected) as caught:
        measure_background(image, NOTHING_BAD)
    assert caught.value.code == "missing_data"
