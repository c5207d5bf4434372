"""Patches of the sky against the noise of a matched filter."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from astrid_assets.science.differencing.sky_structure import structure_share

SHAPE, FWHM_PX = (600, 600), 3.0


def smooth(rng, sigma_px):
    field = gaussian_filter(rng.normal(size=SHAPE), sigma_px, mode="wrap")
    return (field / field.std()).astype(np.float32)


@pytest.fixture
def noise(rng):
    """Score of white noise: correlated as the PSF convolved with itself."""
    return smooth(rng, FWHM_PX / 2.355)


def share_of(flux, blank=None, variance=1.0):
    blank = np.ones(SHAPE, dtype=bool) if blank is None else blank
    return structure_share(flux, np.full(SHAPE, variance, np.float32), blank, FWHM_PX)


def test_noise_alone_has_no_structure(noise):
    assert share_of(noise) == 0


@pytest.mark.parametrize("amplitude", [0.5, 1.0])
def test_the_variance_of_patches_is_found(noise, rng, amplitude):
    patches = amplitude * smooth(rng, 15.0)
    share = share_of(noise + patches)
    assert share == pytest.approx(amplitude**2, rel=0.25)


def test_the_share_does_not_depend_on_the_unit(noise, rng):
    flux = noise + smooth(rng, 15.0)
    in_electrons = share_of(np.float32(7) * flux, variance=49.0)
    assert in_electrons == pytest.approx(share_of(flux), rel=1e-4)


def test_sources_and_pixels_that_are_no_sky_do_not_count(noise, rng):
    rows, columns = rng.integers(0, 600, (2, 300))
    spoiled = noise.copy()
    spoiled[rows, columns] = 50
    assert share_of(spoiled) == 0
    blank = np.ones(SHAPE, dtype=bool)
    blank[:300] = False
    split = noise + np.where(blank, 0, smooth(rng, 15.0)).astype(np.float32)
    assert share_of(split, blank) == 0


def test_too_little_sky_says_nothing(noise):
    blank = np.zeros(SHAPE, dtype=bool)
    blank[:20, :20] = True
    assert share_of(noise + 5, blank) == 0
