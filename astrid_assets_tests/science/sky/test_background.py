"""The sky's level and noise against what was put in."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.sky.background import MIN_GOOD_PIXELS, measure_background, robust_sigma
from astrid_assets.science.sky.background_kernels import count_open, fill_meshes
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


@pytest.mark.slow
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
    assert robust_sigma(np.rint(values)) == pytest.approx(np.hypot(4.3, np.sqrt(1 / 12)), rel=0.01)


def test_a_constant_image_is_rejected_as_constant():
    with pytest.raises(FrameRejected) as caught:
        measure_background(np.full(SHAPE, 7, dtype=np.float32), NOTHING_BAD)
    assert caught.value.code == "constant"


def test_pixels_too_sparse_for_any_mesh_are_rejected_as_missing(rng):
    image = rng.normal(300, 15, SHAPE).astype(np.float32)
    bad = rng.random(SHAPE) > 0.01
    assert np.count_nonzero(~bad) > MIN_GOOD_PIXELS
    with pytest.raises(FrameRejected) as caught:
        measure_background(image, bad)
    assert caught.value.code == "missing_data"


def test_meshes_are_filled_with_their_own_values_in_even_shares(rng):
    data = rng.normal(0, 1, (70, 50)).astype(np.float32)
    bad = rng.random(data.shape) < 0.7
    bad[:32, :32] = True
    filled, still_bad = np.empty_like(data), np.empty_like(bad)
    fill_meshes(data, bad, 32, 0.05, filled, still_bad)
    assert still_bad[:32, :32].all()
    assert not still_bad[32:].any()
    assert not still_bad[:, 32:].any()
    np.testing.assert_array_equal(filled[~bad], data[~bad])
    for mesh in (np.s_[:32, 32:], np.s_[32:64, :32], np.s_[64:, 32:]):
        values, counts = np.unique(filled[mesh], return_counts=True)
        np.testing.assert_array_equal(values, np.unique(data[mesh][~bad[mesh]]))
        assert np.ptp(counts) <= 1


def test_a_mesh_is_open_from_half_of_its_pixels_on():
    bad = np.zeros((48, 40), dtype=np.bool_)
    assert count_open(bad, 16) == 9
    bad[:8, :16] = True  # half of the first
    assert count_open(bad, 16) == 9
    bad[8, 0] = True
    bad[32:, 36:] = True  # half of the last, which is half as wide
    bad[47, 35] = True
    assert count_open(bad, 16) == 7


def test_a_frame_without_pixels_is_rejected_as_missing():
    image = np.full(SHAPE, np.nan, dtype=np.float32)
    with pytest.raises(FrameRejected) as caught:
        measure_background(image, NOTHING_BAD)
    assert caught.value.code == "missing_data"
