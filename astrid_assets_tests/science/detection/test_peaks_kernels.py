"""The search for peaks against scipy's maximum filter."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage

from astrid_assets.science.detection.peaks_kernels import highest_pixels


def disc(radius: int) -> np.ndarray:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return y * y + x * x <= radius * radius


@pytest.mark.parametrize(("radius", "lowest"), [(1, 0.5), (3, 1.0), (5, 2.0)])
def test_highest_pixels_are_the_fixed_points_of_a_maximum_filter(rng, radius, lowest):
    score = rng.normal(0, 2, (60, 80)).astype(np.float32)
    around = disc(radius)
    rows, columns = highest_pixels(score, around, lowest, 10, 55)
    tops = np.zeros(score.shape, dtype=bool)
    for sign in (score, -score):
        highest = ndimage.maximum_filter(sign, footprint=around, mode="constant", cval=-np.inf)
        tops |= (sign == highest) & (sign >= lowest)
    tops[:10], tops[55:] = False, False
    assert_array_equal(np.transpose([rows, columns]), np.argwhere(tops))
    # More than the first arrays hold, in the first case.
    assert len(rows) > (64 if radius == 1 else 5)


def test_highest_pixels_takes_the_first_of_equal_ones():
    score = np.zeros((9, 9), dtype=np.float32)
    score[2, 3:6] = 7  # a plateau
    score[3, 3] = 7
    score[6, 6], score[6, 7] = -5, 5  # opposite signs do not compete
    score[8, 0] = np.nan
    rows, columns = highest_pixels(score, disc(2), 1.0, 0, 9)
    assert list(zip(rows, columns, strict=True)) == [(2, 3), (6, 6), (6, 7)]
