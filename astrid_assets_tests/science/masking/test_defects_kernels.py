"""Kernels over dark and saturated pixels against whole-array formulas and scipy."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from astrid_assets.science.masking.defects_kernels import (
    LEAST_IN_RING,
    brightest_near,
    far_below,
    has_bits,
    mark_full,
    mark_missing,
    or_bit,
    overflow_end,
    paint_disc,
    paint_ray,
    ray,
    ring_medians,
    weaker_arms,
)
from astrid_assets_tests.science.rows import assert_rows, untouched

SHAPE = (31, 40)
BITS = np.array([0, 1, 2, 4, 6], dtype=np.uint16)


def image(rng: np.random.Generator, scale: float = 10) -> np.ndarray:
    return rng.normal(0, scale, SHAPE).astype(np.float32)


def bits(rng: np.random.Generator) -> np.ndarray:
    return rng.choice(BITS, SHAPE, p=[0.6, 0.1, 0.1, 0.1, 0.1])


def turned(centre: tuple[float, float], angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance of every pixel along a direction and across it, from a point."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    rotated = (x - centre[1] + 1j * (y - centre[0])) * np.exp(-1j * angle)
    return rotated.real, rotated.imag


@pytest.mark.slow
def test_mark_missing_writes_zero_and_the_bit(rng):
    data, mask = image(rng), bits(rng)
    data[4, 4:7] = np.nan, np.inf, -np.inf
    out, marked = untouched(SHAPE), mask.copy()
    mark_missing(data, out, marked, 2, 2, 20)
    gone = ~np.isfinite(data) | ((mask & 2) > 0)
    assert_rows(out, np.where(gone, 0, data), 2, 20, rtol=0)
    assert_array_equal(marked[2:20], (mask | np.where(gone, 2, 0))[2:20])
    assert_array_equal(np.delete(marked, np.s_[2:20], 0), np.delete(mask, np.s_[2:20], 0))


@pytest.mark.slow
def test_mark_full_marks_from_the_level_on(rng):
    data, mask = image(rng), bits(rng)
    data[5, 5] = 8
    marked = mask.copy()
    mark_full(data, 8.0, marked, 8, 2, 20)
    full = data >= 8
    full[:2], full[20:] = False, False
    assert full[5, 5]
    assert_array_equal(marked, mask | (8 * full).astype(np.uint16))


def test_far_below_is_a_significance_and_no_skipped_bit(rng):
    data, level, mask = image(rng), image(rng, 2), bits(rng)
    rms = rng.uniform(3, 6, SHAPE).astype(np.float32)
    low = np.zeros(SHAPE, dtype=bool)
    far_below(data, level, rms, mask, 4, 2.0, low, 2, 20)
    deep = (data.astype(np.float64) - level) / rms < -2
    assert_array_equal(low[2:20], (deep & (mask & 4 == 0))[2:20])
    assert not np.delete(low, np.s_[2:20], 0).any()
    assert low.any()


@pytest.mark.parametrize("reach", [0, 2])
def test_brightest_near_is_the_highest_snr_of_a_box(rng, reach):
    data, level, mask = image(rng), image(rng, 2), bits(rng)
    rms = rng.uniform(3, 6, SHAPE).astype(np.float32)
    rms[8, 8] = 0
    rows, columns = np.indices(SHAPE).reshape(2, -1)
    found = brightest_near(data, level, rms, mask, 2, rows, columns, reach)
    snr = np.zeros(SHAPE)
    counts = (rms > 0) & (mask & 2 == 0)
    snr[counts] = ((data.astype(np.float64) - level)[counts] / rms[counts]).clip(0)
    boxes = np.lib.stride_tricks.sliding_window_view(np.pad(snr, reach), (2 * reach + 1,) * 2)
    assert_allclose(found, boxes.max(axis=(2, 3)).ravel(), rtol=1e-5)


@pytest.mark.parametrize("wanted", [1, 2, 6])
def test_has_bits_is_true_where_one_of_them_is_set(rng, wanted):
    mask = bits(rng)
    members = [b for b in BITS.tolist() if any(b >> k & 1 and wanted >> k & 1 for k in range(4))]
    assert_array_equal(has_bits(mask, wanted), np.isin(mask, members))


def test_or_bit_returns_a_new_mask(rng):
    mask, where = bits(rng), rng.random(SHAPE) < 0.3
    before = mask.copy()
    marked = or_bit(mask, where, 8)
    assert_array_equal(marked, before + 8 * where)  # nobody had the bit
    assert_array_equal(mask, before)
    assert_array_equal(or_bit(marked, where, 8), marked)


@pytest.mark.parametrize("step", [(1, 0), (-1, 0), (0, 1), (0, -1)])
@pytest.mark.parametrize("most", [3, 12, 100])
def test_overflow_end_skips_single_dark_pixels(rng, step, most):
    rms = np.full(SHAPE, 10, dtype=np.float32)
    for _ in range(40):
        data = rng.normal(0, 1, SHAPE).astype(np.float32)
        start = int(rng.integers(0, SHAPE[0])), int(rng.integers(0, SHAPE[1]))
        cells = [(start[0] + k * step[0], start[1] + k * step[1]) for k in range(most)]
        cells = [c for c in cells if 0 <= c[0] < SHAPE[0] and 0 <= c[1] < SHAPE[1]]
        word = "".join(rng.choice(["B", "d"], len(cells), p=[0.75, 0.25]))
        for cell, letter in zip(cells, word, strict=True):
            data[cell] = 300.0 if letter == "B" else 0.0
        bright = re.match("(?:d?B)*", word)
        assert bright is not None
        assert overflow_end(data, rms, start, step, most, 5.0) == bright.end()


def test_overflow_end_compares_with_both_sides():
    data, rms = np.zeros(SHAPE, np.float32), np.ones(SHAPE, np.float32)
    data[10:20, 15] = 9  # over sides of 6, 2, 2 and 2: an excess of 6
    for shift, light in zip((-4, -3, 3, 4), (6, 2, 2, 2), strict=True):
        data[10:20, 15 + shift] = light
    assert overflow_end(data, rms, (10, 15), (1, 0), 50, 5.9) == 10
    assert overflow_end(data, rms, (10, 15), (1, 0), 50, 6.1) == 0


@pytest.mark.parametrize("centre", [(15.2, 20.7), (2.0, 38.5), (-3.0, 5.0)])
def test_ring_medians_are_medians_by_distance(rng, centre):
    data, skip = image(rng), rng.random(SHAPE) < 0.2
    inner, width, number = 3.0, 1.5, 9
    found = ring_medians(data, skip, centre, inner, width, number)
    distance = np.hypot(*np.subtract(np.indices(SHAPE).T, centre).T)
    for k in range(number):
        near, far = inner + k * width, inner + (k + 1) * width
        ring = data[(distance >= near) & (distance < far) & ~skip]
        expected = np.median(ring) if len(ring) >= LEAST_IN_RING else np.nan
        assert_allclose(found[k], expected, rtol=1e-6)
    assert np.isfinite(found).any()


def light_on_ray(data, skip, centre, angle, radii, half_width) -> np.ndarray:
    good = np.pad(np.where(skip, np.nan, data.astype(np.float64)), 60, constant_values=np.nan)
    along = np.exp(1j * angle) * (radii[:, None] + 1j * np.arange(-half_width, half_width + 1))
    y, x = np.rint(centre[0] + along.imag).astype(int), np.rint(centre[1] + along.real).astype(int)
    values = good[y + 60, x + 60]
    number = np.isfinite(values).sum(axis=1)
    total = np.nansum(values, axis=1)
    return np.where(number > half_width, total / np.maximum(number, 1), np.nan)


RADII = np.linspace(2, 24, 15).astype(np.float32)


@pytest.mark.parametrize("angle", [0.1, 1.0, 2.5, 4.4])
@pytest.mark.parametrize("half_width", [0, 2])
def test_ray_is_the_mean_across_a_direction(rng, angle, half_width):
    data, skip, centre = image(rng), rng.random(SHAPE) < 0.3, (14.3, 22.2)
    found = ray(data, skip, *centre, angle, RADII, half_width)
    expected = light_on_ray(data, skip, centre, angle, RADII, half_width)
    assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert np.isnan(found).any()
    assert np.isfinite(found).any()


def test_weaker_arms_need_light_on_both_sides(rng):
    data, skip, centre = image(rng, 1), rng.random(SHAPE) < 0.2, (14.3, 22.2)
    radii = np.linspace(2, 13, 12).astype(np.float32)
    data[np.abs(turned(centre, 0.5)[1]) <= 2] += 100  # both arms
    along, across = turned(centre, 2.0)
    data[(np.abs(across) <= 2) & (along > 0)] += 100  # one arm
    along, across = turned(centre, 1.2)
    skip[(np.abs(across) <= 3) & (along > 6)] = True
    angles = np.array([0.5, 2.0, 1.2, 2.7], dtype=np.float32)
    around = rng.normal(0, 1, len(radii)).astype(np.float32)
    found = weaker_arms(data, skip, *centre, angles, radii, around, 1)

    expected = []
    for angle in angles.astype(np.float64):
        arms = [
            light_on_ray(data, skip, centre, angle + turn, radii, 1) - around for turn in (0, np.pi)
        ]
        known = [np.isfinite(arm).sum() >= len(radii) / 2 for arm in arms]
        expected.append(min(map(np.nanmedian, arms)) if all(known) else np.nan)
    assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    assert found[0] > 50
    assert found[1] < 50
    assert np.isnan(found[2])


@pytest.mark.parametrize("centre", [(15.2, 20.7), (0.0, 39.0), (-4.0, 10.0)])
@pytest.mark.parametrize("radius", [0.4, 3.0, 6.5])
def test_paint_disc_is_a_distance(rng, centre: tuple[float, float], radius):
    mask = bits(rng)
    painted = mask.copy()
    paint_disc(painted, *centre, radius, 8)
    distance = np.hypot(*np.subtract(np.indices(SHAPE).T, centre).T)
    assert_array_equal(painted, mask | np.where(distance <= radius, 8, 0).astype(np.uint16))


@pytest.mark.parametrize("centre", [(15.2, 20.7), (0.1, 38.9), (-3.3, 10.1)])
@pytest.mark.parametrize("angle", [0.3, 1.7, 3.9])
def test_paint_ray_is_a_turned_rectangle(rng, centre: tuple[float, float], angle):
    mask = bits(rng)
    painted = mask.copy()
    paint_ray(painted, *centre, angle, 12.3, 1.6, 8)
    along, across = turned(centre, angle)
    within = (along >= 0) & (along <= 12.3) & (np.abs(across) <= 1.6)
    assert_array_equal(painted, mask | np.where(within, 8, 0).astype(np.uint16))
