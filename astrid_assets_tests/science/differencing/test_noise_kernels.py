"""Loops for the noise of the score against scipy's filters and numpy's gradient."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage

from astrid_assets.science.differencing.noise_kernels import (
    every_set,
    highest_of_columns,
    score_rows,
    shown_rows,
    smaller_of_both,
    spread_bit,
)
from astrid_assets_tests.science.rows import assert_rows, untouched

SHAPE = (19, 26)


def image(rng: np.random.Generator, scale: float = 10) -> np.ndarray:
    return rng.normal(0, scale, SHAPE).astype(np.float32)


@pytest.mark.parametrize("half", [0, 1, 4])
def test_smaller_of_both_is_a_maximum_filter_along_rows(rng, half):
    science, reference = image(rng), image(rng)
    out = untouched(SHAPE)
    smaller_of_both(science, reference, out, half, 3, 15)
    common = np.clip(np.minimum(science, reference), 0, None)
    expected = ndimage.maximum_filter1d(common, 2 * half + 1, axis=1, mode="constant")
    assert_rows(out, expected, 3, 15, rtol=0)


@pytest.mark.parametrize("half", [0, 1, 4])
def test_highest_of_columns_is_a_maximum_filter_along_columns(rng, half):
    rows = image(rng)
    out = untouched(SHAPE)
    highest_of_columns(rows, out, half, 1, 18)
    expected = ndimage.maximum_filter1d(rows, 2 * half + 1, axis=0, mode="nearest")
    assert_rows(out, expected, 1, 18, rtol=0)


def test_score_rows_adds_both_errors_to_the_photon_noise(rng):
    flux, science, reference, static = (image(rng, 50) for _ in range(4))
    variance = rng.uniform(5, 50, SHAPE).astype(np.float32)
    usable = rng.random(SHAPE) < 0.8
    jitter, psf_error = 0.15, 0.02
    # np.gradient is central inside and one-sided at the border.
    slopes = sum(
        along**2
        for fluxes in (science, reference)
        for along in np.gradient(fluxes.astype(np.float64))
    )
    error = np.sqrt(variance + jitter**2 * slopes + (psf_error * static) ** 2)
    changed, errors, score = flux.copy(), np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    for first, last in ((0, 7), (7, 19)):
        score_rows(
            changed,
            science,
            reference,
            variance,
            static,
            usable,
            jitter**2,
            psf_error**2,
            errors,
            score,
            first,
            last,
        )
    np.testing.assert_allclose(errors, error, rtol=1e-5)
    np.testing.assert_allclose(score, np.where(usable, flux / error, 0), rtol=1e-5)
    assert_array_equal(changed, np.where(usable, flux, 0))


@pytest.mark.parametrize("radius", [0, 1, 3])
def test_spread_bit_is_a_dilation_with_a_disc(rng, radius):
    mask = rng.choice([0, 1, 2, 3], SHAPE, p=[0.9, 0.04, 0.03, 0.03]).astype(np.uint16)
    mask[7] = 1  # a row without the bit
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = y * y + x * x <= radius * radius
    reach = disc.sum(axis=1) // 2
    before = rng.choice([0, 4], SHAPE).astype(np.uint16)
    grown = before.copy()
    spread_bit(mask, np.uint16(2), reach, grown)
    where = ndimage.binary_dilation((mask & 2) > 0, disc)
    assert_array_equal(grown, before | np.where(where, 2, 0))


def test_shown_rows_is_the_larger_of_source_and_excess_noise(rng):
    reference = image(rng)
    variance = rng.uniform(1, 4, SHAPE).astype(np.float32)
    error = np.sqrt(variance * rng.uniform(1, 2, SHAPE)).astype(np.float32)
    out = untouched(SHAPE)
    shown_rows(reference, error, variance, 3.0, 0.25, out, 2, 17)
    source = np.abs(reference) / error / 3
    excess = (error.astype(np.float64) ** 2 - variance) / variance / 0.25
    assert_rows(out, np.fmax(source, excess), 2, 17, rtol=1e-4, atol=1e-5)
    assert (source > excess).any()
    assert (source < excess).any()


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
def test_every_set_is_a_slice_of_the_set_positions(rng, step, share):
    where = rng.random(SHAPE) < share
    assert_array_equal(every_set(where, step), np.flatnonzero(where)[::step])
