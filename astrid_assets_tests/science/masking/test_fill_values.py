"""Missing data in its dialects, against the pixels that were filled."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from astrid_assets.science.masking.fill_values import filled_pixels

SHAPE = (160, 192)


@pytest.mark.parametrize("value", [0.0, -32768.0, 1000.0, -99.25])
@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize(
    "part",
    [np.s_[:100], np.s_[:, -1:], np.s_[:3], np.s_[40:70, 50:75]],
    ids=["lower part", "last column", "three rows", "patch inside"],
)
def test_pixels_of_one_value_are_missing_whatever_the_value(
    rng: np.random.Generator, value: float, is_whole: bool, part: tuple[slice, ...]
) -> None:
    data = rng.normal(1000, 30, SHAPE)
    if is_whole:
        data = np.round(data)
    data[80, 90] = 40_000
    data[part] = value
    expected = np.zeros(SHAPE, bool)
    expected[part] = True
    filled, values = filled_pixels(data.astype(np.float32), 6e4)
    assert values == [value]
    # At the border of a patch a pixel of the sky may have its value by chance.
    assert_array_equal(filled[expected], True)
    assert filled.sum() - expected.sum() <= 12


@pytest.mark.parametrize("sigma", [0.3, 0.5, 1.0, 10.0])
def test_whole_numbers_with_little_noise_are_data(rng: np.random.Generator, sigma: float) -> None:
    data = np.round(rng.normal(100, sigma, SHAPE)).astype(np.float32)
    assert filled_pixels(data, np.inf)[1] == []


def test_a_sky_clipped_at_zero_is_data(rng: np.random.Generator) -> None:
    data = np.maximum(rng.normal(0, 5, SHAPE), 0).astype(np.float32)
    assert filled_pixels(data, np.inf)[1] == []
    data[:20] = 0
    filled, _ = filled_pixels(data, np.inf)
    assert filled[:20].all()
    assert filled[24:].mean() < 0.002


@pytest.mark.parametrize("saturation", [6e4, np.inf])
def test_a_saturated_core_is_no_missing_data(rng: np.random.Generator, saturation: float) -> None:
    data = rng.normal(1000, 30, SHAPE).astype(np.float32)
    data[40:70, 50:75] = 65_535
    assert filled_pixels(data, saturation)[1] == []


def test_single_pixels_of_the_lowest_integer_are_missing(rng: np.random.Generator) -> None:
    data = np.round(rng.normal(0, 30, SHAPE)).astype(np.float32)
    data[5, 6] = -32768
    filled, values = filled_pixels(data, np.inf)
    assert (int(filled.sum()), bool(filled[5, 6]), values) == (1, True, [-32768.0])
