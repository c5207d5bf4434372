"""The scatter of good values, whatever a few wrong ones do."""

import numpy as np
import pytest
from scipy.stats import median_abs_deviation

from astrid_assets.science.arrays.robust import mad_sigma, median_deviation


def test_normal_values_have_their_standard_deviation(rng):
    assert mad_sigma(rng.normal(7, 3, 100_000)) == pytest.approx(3, rel=0.01)


def test_a_tenth_of_outliers_hardly_moves_it(rng):
    values = rng.normal(0, 1, 10_000)
    values[:1000] = 1e6
    assert mad_sigma(values) < 1.25


def test_it_is_scipys_median_deviation(rng):
    values = rng.exponential(2, (50, 7))
    assert median_deviation(values) == median_abs_deviation(values.ravel())


def test_residuals_are_measured_from_zero():
    assert mad_sigma(np.array([3.0, 4.0, 5.0]), 0) == 1.4826 * 4


def test_the_precision_of_the_values_is_kept(rng):
    assert median_deviation(rng.normal(0, 1, 9).astype(np.float32)).dtype == np.float32


def test_a_missing_value_is_not_passed_over():
    assert np.isnan(mad_sigma(np.array([1.0, np.nan, 3.0])))
