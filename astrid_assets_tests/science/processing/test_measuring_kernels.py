"""The passes over a measured frame against whole-array formulas and a convolution."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import convolve2d

from astrid_assets.science.processing.measuring_kernels import subtract_sky, without_noise
from astrid_assets_tests.science.rows import assert_rows, untouched

SHAPE = (21, 28)
NONE = np.empty((0, 0), dtype=np.float32)


def flat_field(rng: np.random.Generator) -> np.ndarray:
    flat = rng.uniform(0.6, 1.4, SHAPE).astype(np.float32)
    flat[5, 5:7] = 0, -1
    return flat


@pytest.mark.parametrize("with_flat", [True, False])
def test_subtract_sky_leaves_light_and_the_variance_of_its_photons(rng, with_flat):
    data, level = rng.normal(300, 40, (2, *SHAPE)).astype(np.float32)
    rms = rng.uniform(0.5, 3, SHAPE).astype(np.float32)
    mask = rng.choice([0, 1, 2, 3], SHAPE).astype(np.uint16)
    flat = flat_field(rng) if with_flat else NONE
    light, variance = untouched(SHAPE), untouched(SHAPE)
    subtract_sky(data, mask, level, rms, flat, 2, 1.5, light, variance, 2, 18)
    expected = np.where(mask & 2, 0, data.astype(np.float64) - level)
    assert_rows(light, expected, 2, 18, atol=1e-4)
    response = np.where(flat > 0, flat, 1) if with_flat else 1
    photons = np.clip(expected, 0, None) / response
    noise2 = rms.astype(np.float64) ** 2 + photons
    assert_rows(variance, np.maximum(noise2, 1.5), 2, 18, rtol=1e-4)
    assert (noise2 < 1.5).any()


@pytest.mark.parametrize("with_flat", [True, False])
@pytest.mark.parametrize("reach", [1, 3, 40])
def test_without_noise_counts_light_by_its_mean_around(rng, with_flat, reach):
    sky2 = rng.uniform(20, 30, SHAPE)
    light = rng.normal(0, 5, SHAPE)
    light[8:14, 10:18] += 40
    light = light.astype(np.float32)
    flat = flat_field(rng) if with_flat else NONE
    response = np.where(flat > 0, flat, 1) if with_flat else np.ones(SHAPE)
    before = (sky2 + np.clip(light, 0, None) / response).astype(np.float32)
    variance = before.copy()
    without_noise(light, flat, reach, 3.0, variance, 2, 18)

    box = np.ones((2 * reach + 1, 2 * reach + 1))
    number = convolve2d(np.ones(SHAPE), box, "same" if reach < 10 else "full")
    total = convolve2d(light.astype(np.float64), box, "same" if reach < 10 else "full")
    if reach >= 10:
        cut = np.s_[reach : reach + SHAPE[0], reach : reach + SHAPE[1]]
        number, total = number[cut], total[cut]
    mean, noise = total / number, np.sqrt(sky2 / number)
    counted = np.where(mean > 3 * noise, np.clip(light, 0, None), np.clip(mean - noise, 0, None))
    expected = np.where(np.indices(SHAPE)[0] // 18 == 0, sky2 + counted / response, before)
    expected[:2] = before[:2]
    assert_allclose(variance, expected, rtol=1e-4)
    if reach < 10:
        assert (mean > 3 * noise).any()
        assert (mean < noise).any()
