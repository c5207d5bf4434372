"""Intervals of shares against Wilson's formula."""

import math

import pytest

from astrid_assets.science.arrays.intervals import upper_bound, wilson_interval


def by_hand(found, total, z):
    share = found / total
    centre = share + z**2 / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    return (centre - half) / (1 + z**2 / total), (centre + half) / (1 + z**2 / total)


@pytest.mark.parametrize(("found", "total"), [(0, 1), (1, 7), (8, 10), (40, 40), (3, 100_000)])
def test_both_intervals_are_wilsons(found, total):
    assert wilson_interval(found, total) == pytest.approx(
        by_hand(found, total, 1.959963984540054), rel=1e-9, abs=1e-12
    )
    assert upper_bound(found, total) == pytest.approx(by_hand(found, total, 1.645)[1], rel=1e-12)


def test_nothing_counted_excludes_nothing():
    assert wilson_interval(0, 0) is None
    assert upper_bound(0, 0) == 1.0
