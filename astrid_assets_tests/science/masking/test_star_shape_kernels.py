"""Shapes of stars against the Gaussian's own formula, and tests of missing light."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from astrid_assets.science.masking.star_shape_kernels import (
    RIM,
    away_from_stars,
    shares,
    sharper,
)

SHAPE = (24, 27)
STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))
EVERYWHERE = np.arange(SHAPE[0] * SHAPE[1])


@pytest.mark.parametrize("variance", [0.5, 1.2, 4.0])
@pytest.mark.parametrize("centre", [(10.0, 12.0), (10.4, 11.7)])
def test_shares_of_a_gaussian_depend_on_its_width_alone(variance, centre):
    distance = np.hypot(*np.subtract(np.indices(SHAPE).T, centre).T)
    star = (5000 * np.exp(-(distance**2) / (2 * variance))).astype(np.float32)
    found = shares(star, np.zeros(SHAPE, dtype=bool), np.array([10 * SHAPE[1] + 12]))
    axis = np.exp(-1 / (2 * variance))
    assert_allclose(found[0], [axis, axis, axis**2, axis**2], rtol=1e-4)


def test_shares_are_unknown_beside_bad_or_dark_pixels_and_at_the_border(rng):
    clean = rng.normal(5, 5, SHAPE).astype(np.float32)
    bad = rng.random(SHAPE) < 0.05
    found = shares(clean, bad, EVERYWHERE).reshape(*SHAPE, 4)
    beside_bad = np.asarray(ndimage.binary_dilation(bad, np.ones((3, 3))), dtype=bool)
    for line, (dy, dx) in enumerate(STEPS):
        a, b = np.roll(clean, (-dy, -dx), (0, 1)), np.roll(clean, (dy, dx), (0, 1))
        known = (a > 0) & (b > 0) & ~beside_bad
        known[[0, -1]], known[:, [0, -1]] = False, False
        assert_array_equal(np.isfinite(found[..., line]), known)
        middle = np.exp(0.5 * (np.log(a[known]) + np.log(b[known])))  # geometric mean
        assert_allclose(found[..., line][known], middle / clean[known], rtol=1e-4)


def lacks_light(clean, variance, bad, at, least, sigmas) -> bool:
    """Judge one pixel in float64: by the product, or by the sum over the worst lines."""
    lines = []
    for step, share in zip(STEPS, least, strict=True):
        ends = [np.add(at, step), np.subtract(at, step)]
        inside = all((end >= 0).all() and (end < SHAPE).all() for end in ends)
        if inside and not any(bad[tuple(end)] for end in ends):
            light = [float(clean[tuple(end)]) for end in ends]
            noise = [float(variance[tuple(end)]) for end in ends]
            lines.append((float(share), light, noise))
    p, vp = float(clean[at]), float(variance[at])
    for share, light, noise in lines:
        a, b = np.maximum(light, 0)
        # Errors of p² share² and of a b, with the term of second order.
        error2 = (2 * p * share**2) ** 2 * vp + a**2 * noise[1] + b**2 * noise[0]
        error = np.sqrt(error2 + noise[0] * noise[1])
        if (p * share) ** 2 - a * b > max(sigmas * error, 0):
            return True
    missing = np.array([2 * share * p - sum(light) for share, light, _ in lines])
    order = np.argsort(-missing)
    total = np.cumsum(missing[order])
    beside = np.cumsum(np.array([sum(noise) for _, _, noise in lines])[order])
    factor = np.cumsum(np.array([2 * share for share, _, _ in lines])[order])
    return bool(np.any(total > sigmas * np.sqrt(beside + factor**2 * vp)))


def test_sharper_is_a_test_of_missing_light_at_every_pixel(rng):
    clean = rng.normal(0, 12, SHAPE).astype(np.float32)
    hits = rng.random(SHAPE) < 0.1
    clean[hits] += 90
    clean += ndimage.gaussian_filter(60 * hits, 1.2).astype(np.float32)
    variance = rng.uniform(80, 160, SHAPE).astype(np.float32)
    bad = rng.random(SHAPE) < 0.1
    least = np.array([0.5, 0.55, 0.25, 0.3], dtype=np.float32)
    found = sharper(clean, variance, bad, EVERYWHERE, least, 3.0)
    expected = [
        lacks_light(clean, variance, bad, at, least.astype(np.float64), 3.0)
        for at in np.ndindex(SHAPE)
    ]
    assert_array_equal(found, expected)
    assert 10 < found.sum() < len(found) / 2


def test_sharper_spares_stars_and_finds_hits():
    distance = np.hypot(*np.subtract(np.indices(SHAPE).T, (10.2, 12.1)).T)
    sky2, axis = 100.0, np.exp(-1 / (2 * 1.5))
    star = (4000 * np.exp(-(distance**2) / (2 * 1.5))).astype(np.float32)
    hit = np.zeros(SHAPE, dtype=np.float32)
    hit[10, 12] = 4000
    least = np.array([axis, axis, axis**2, axis**2], dtype=np.float32)
    pixel, bad = np.array([10 * SHAPE[1] + 12]), np.zeros(SHAPE, dtype=bool)
    assert not sharper(star, star + np.float32(sky2), bad, pixel, least, 3.0)[0]
    assert sharper(hit, hit + np.float32(sky2), bad, pixel, least, 3.0)[0]


def test_away_from_stars_keeps_off_bright_holes_and_the_border(rng):
    clean = rng.uniform(0, 200, SHAPE).astype(np.float32)
    variance = rng.uniform(50, 150, SHAPE).astype(np.float32)
    bad = rng.random(SHAPE) < 0.01
    pixels = rng.permutation(EVERYWHERE)
    kept = away_from_stars(clean, variance, bad, pixels, 10.0, 2)
    brightest = ndimage.maximum_filter(
        np.where(bad, clean, -np.inf), 2 * RIM + 1, mode="constant", cval=-np.inf
    )
    free = brightest <= 10 * np.sqrt(variance)
    inner = np.zeros(SHAPE, dtype=bool)
    inner[2:-2, 2:-2] = True
    assert_array_equal(kept, pixels[(free & inner).ravel()[pixels]])
    assert 0 < len(kept) < inner.sum()
