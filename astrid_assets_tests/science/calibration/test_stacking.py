"""Stacks: against ccdproc and a plain formula, in any order, on any threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from astropy.nddata import CCDData
from ccdproc import Combiner
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from astrid_assets.science.arrays import threads
from astrid_assets.science.calibration.stacking import (
    CLIP_SIGMA,
    Layer,
    combine_stack,
    std_of_median_deviation,
)
from astrid_assets.science.errors import ShapeMismatch

if TYPE_CHECKING:
    from collections.abc import Iterator

SHAPE = (70, 90)


@pytest.fixture
def one_or_two_threads() -> Iterator[None]:
    before = threads.threads()
    yield
    threads.set_threads(before)


def layers(cube: np.ndarray) -> list[Layer]:
    return [Layer(image) for image in np.asarray(cube, np.float32)]


def by_formula(cube: np.ndarray) -> np.ndarray:
    """The same clipped mean by numpy, one whole cube at a time, in float64."""
    cube = np.where(np.isfinite(cube), cube, np.nan).astype(np.float64)
    middle = np.nanmedian(cube, axis=0)
    deviation = np.nanmedian(np.abs(cube - middle), axis=0)
    floor = np.nanmedian(deviation)
    sigma = std_of_median_deviation(len(cube)) * np.maximum(deviation, floor)
    limit = CLIP_SIGMA * sigma
    return np.nanmean(np.where(np.abs(cube - middle) <= limit, cube, np.nan), axis=0)


@pytest.mark.parametrize("n", [2, 3, 5, 8, 15])
def test_the_kernel_is_the_formula(rng, n):
    cube = rng.normal(100, 5, (n, *SHAPE))
    cube[n // 2, 20, 30] = 5e4
    cube[0, 3, 4] = np.nan
    result = combine_stack(layers(cube)).image
    expected = by_formula(np.asarray(cube, np.float32))
    # A value at the very limit may fall to either side of it.
    close = np.abs(result - expected) < 2e-5 * np.abs(expected)
    assert np.mean(close) > 0.9995


def test_ccdproc_agrees_where_it_clips_the_same(rng):
    # Bounded noise is never clipped, planted outliers always.
    cube = rng.uniform(90, 110, (11, *SHAPE)).astype(np.float32)
    for k in range(40):
        cube[k % 11, (7 * k) % 70, (13 * k) % 90] += 1e4
    combiner = Combiner([CCDData(image, unit="electron") for image in cube])
    # Any: their signature names strings only, their text functions too.
    estimators: dict[str, Any] = {
        "func": np.ma.median,
        "dev_func": lambda a, axis: stats.median_abs_deviation(a, axis=axis),
    }
    combiner.sigma_clipping(low_thresh=20, high_thresh=20, **estimators)
    theirs = np.asarray(combiner.average_combine())
    ours = combine_stack(layers(cube))
    assert np.mean(np.abs(ours.image - theirs) < 1e-3) > 0.998
    assert np.abs(ours.image - theirs).max() < 8  # some of theirs lose a good value
    assert ours.clipped_fraction == pytest.approx(40 / cube.size, rel=1e-6)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 7))
@settings(max_examples=15, deadline=None)
def test_the_order_of_frames_does_not_matter(seed, n):
    rng = np.random.default_rng(seed)
    cube = rng.normal(0, 1, (n, 6, 40)).astype(np.float32)
    cube[rng.integers(n), 2, 3] = 1e5
    shuffled = cube[rng.permutation(n)]
    one, other = combine_stack(layers(cube)), combine_stack(layers(shuffled))
    assert one.image.tobytes() == other.image.tobytes()
    assert one.noise == other.noise


@given(factor=st.sampled_from([0.25, 2.0, 1024.0]), seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_units_carry_over(factor, seed):
    cube = np.random.default_rng(seed).normal(50, 3, (5, 8, 40)).astype(np.float32)
    one = combine_stack(layers(cube))
    scaled = combine_stack([Layer(image, factor) for image in cube])
    np.testing.assert_array_equal(scaled.image, one.image * np.float32(factor))
    assert scaled.noise == pytest.approx(one.noise * factor, rel=1e-5)


@given(
    bad=st.sampled_from([np.nan, np.inf, -np.inf]),
    y=st.integers(0, 7),
    x=st.integers(0, 39),
    n_bad=st.integers(1, 5),
)
@settings(max_examples=20, deadline=None)
def test_what_is_not_finite_stays_in_its_pixel(bad, y, x, n_bad):
    cube = np.random.default_rng(1).normal(50, 3, (5, 8, 40)).astype(np.float32)
    clean = combine_stack(layers(cube)).image
    cube[:n_bad, y, x] = bad
    image = combine_stack(layers(cube)).image
    others = np.ones(image.shape, bool)
    others[y, x] = False
    # The typical scatter is that of all pixels: one more or less hardly moves it.
    np.testing.assert_allclose(image[others], clean[others], atol=4)
    assert np.mean(image[others] == clean[others]) > 0.98
    assert np.isnan(image[y, x]) == (n_bad == 5)


def test_threads_change_no_byte(rng, one_or_two_threads):
    cube = rng.normal(100, 5, (5, 400, 300))
    threads.set_threads(1)
    one = combine_stack(layers(cube))
    threads.set_threads(2)
    two = combine_stack(layers(cube))
    assert one.image.tobytes() == two.image.tobytes()
    assert (one.noise, one.clipped_fraction) == (two.noise, two.clipped_fraction)


@pytest.mark.parametrize("n", [2, 3, 5, 20])
def test_the_noise_of_the_mean_is_told(rng, n):
    cube = rng.normal(100, 5, (n, 300, 300))
    stack = combine_stack(layers(cube))
    assert stack.noise == pytest.approx(5 / np.sqrt(n), rel=0.03)
    assert stack.image.std() == pytest.approx(stack.noise, rel=0.04)
    assert stack.clipped_fraction < 0.004


@pytest.mark.parametrize("n", [2, 3, 4, 5, 7, 9, 12])
def test_sigma_of_few_values_is_right_on_average(rng, n):
    values = rng.normal(0, 1, (n, 40_000))
    deviation = stats.median_abs_deviation(values, axis=0)
    assert std_of_median_deviation(n) * deviation.mean() == pytest.approx(1, rel=0.02)


def test_one_frame_is_its_own_mean_and_tells_no_noise(rng):
    image = rng.normal(100, 5, SHAPE).astype(np.float32)
    stack = combine_stack([Layer(image)])
    np.testing.assert_array_equal(stack.image, image)
    assert np.isnan(stack.noise)


def test_layers_enter_without_bias_and_dark(rng):
    bias = rng.normal(100, 1, SHAPE).astype(np.float32)
    dark = rng.uniform(0, 2, SHAPE).astype(np.float32)
    light = rng.normal(1000, 1, SHAPE).astype(np.float32)
    frames = [
        Layer(bias + dark * t + light * s, 1 / s, t)
        for t, s in ((1.0, 1.0), (3.0, 2.0), (9.0, 4.0))
    ]
    result = combine_stack(frames, bias, dark).image
    np.testing.assert_allclose(result, light, rtol=1e-5)


def test_shapes_have_to_agree(rng):
    with pytest.raises(ShapeMismatch):
        combine_stack([Layer(np.ones(SHAPE, np.float32))], np.ones((3, 3), np.float32))
