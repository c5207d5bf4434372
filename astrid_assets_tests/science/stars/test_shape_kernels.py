"""Adaptive moments against the moments of the Gaussians that were drawn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from astrid_assets.science.stars.shape_kernels import adaptive_moments

SHAPE = (41, 45)
RADIUS, ITERATIONS, SMALLEST = 12, 60, 0.2


def gaussian(x: float, y: float, xx: float, yy: float, xy: float) -> np.ndarray:
    v, u = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    offset = np.stack([u - x, v - y], axis=-1)
    inverse = np.linalg.inv([[xx, xy], [xy, yy]])
    return 1000 * np.exp(-0.5 * np.einsum("...i,ij,...j", offset, inverse, offset))


def measured(data, usable, x, y, start=3.0, iterations=ITERATIONS) -> np.ndarray:
    x, y = np.atleast_1d(np.array(x, float)), np.atleast_1d(np.array(y, float))
    out = np.full((len(x), 6), -1.0)
    adaptive_moments(
        data.astype(np.float32),
        usable,
        x,
        y,
        start,
        RADIUS,
        iterations,
        1e-6,
        SMALLEST,
        out,
        0,
        len(x),
    )
    return out


@pytest.mark.parametrize(
    ("xx", "yy", "xy"), [(2.0, 2.0, 0.0), (1.2, 3.5, 0.0), (3.0, 2.0, 0.9), (5.0, 4.0, -2.0)]
)
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.4, -0.3)])
def test_adaptive_moments_are_those_of_an_elliptical_gaussian(xx, yy, xy, offset):
    x, y = 22 + offset[0], 20 + offset[1]
    star = gaussian(x, y, xx, yy, xy)
    # First positions half a pixel off.
    found = measured(star, np.ones(SHAPE, bool), x + 0.5, y - 0.4)[0]
    # The weight is cut at four sigma, which takes some light of its wings away.
    assert_allclose(found[:2], [x, y], atol=1e-3)
    assert_allclose(found[2:5], [xx, yy, xy], atol=2e-3 * max(xx, yy))
    assert found[5] == 1


def test_adaptive_moments_do_not_look_at_unusable_pixels():
    star = gaussian(22.3, 20.1, 2.0, 2.0, 0.0)
    usable = np.ones(SHAPE, bool)
    bright = star.copy()
    bright[19:22, 26], usable[19:22, 26] = 1e6, False
    found = measured(bright, usable, 22.3, 20.1)[0]
    assert_allclose(found[:5], [22.3, 20.1, 2, 2, 0], atol=0.1)
    spoiled = measured(bright, np.ones(SHAPE, bool), 22.3, 20.1)[0]
    assert abs(spoiled[0] - 22.3) > 1


def test_adaptive_moments_measure_stars_at_the_border_from_what_there_is():
    star = gaussian(1.0, 39.5, 2.0, 2.0, 0.0)
    found = measured(star, np.ones(SHAPE, bool), 1.0, 39.5)[0]
    assert found[5] == 1
    assert_allclose(found[:2], [1.0, 39.5], atol=1.0)


def test_adaptive_moments_report_positions_without_light():
    found = measured(-gaussian(22, 20, 2, 2, 0), np.ones(SHAPE, bool), [22, np.nan], [20, 5])
    assert found[0, 5] == 0
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1, :5]).all()
    assert found[1, 5] == 0


def test_adaptive_moments_first_step_is_twice_the_moment_under_the_weight():
    star = gaussian(22.2, 19.7, 2.6, 3.4, 0.7)
    x, y, start = 22.4, 20.1, 3.0
    found = measured(star, np.ones(SHAPE, bool), x, y, start, iterations=1)[0]
    v, u = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    u, v = u - x, v - y
    distance2 = (u**2 + v**2) / start
    light = np.where(distance2 <= 16, star * np.exp(-0.5 * distance2), 0)
    total = light.sum()
    moved = 2 * np.array([(light * u).sum(), (light * v).sum()]) / total
    assert_allclose(found[:2] - [x, y], moved, rtol=1e-2, atol=1e-4)
    second = [(light * u * u).sum(), (light * v * v).sum(), (light * u * v).sum()]
    assert_allclose(found[2:5], 2 * np.array(second) / total, rtol=1e-2)


def test_adaptive_moments_stay_within_their_limits():
    usable = np.ones(SHAPE, bool)
    point = np.zeros(SHAPE)
    point[20, 22] = 1000
    assert_allclose(measured(point, usable, 22, 20)[0, 2:4], SMALLEST)
    sky = np.full(SHAPE, 100.0)
    assert_allclose(measured(sky, usable, 22, 20)[0, 2:4], (RADIUS / 1.5) ** 2, rtol=0.1)
