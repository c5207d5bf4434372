"""ZOGY's products against the paper's equations in complex128, letter by letter."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from astrid_assets.science.arrays.types import Image
from astrid_assets.science.differencing.zogy_kernels import (
    add_scaled,
    cross_block,
    filter_block,
    match_block,
    scale_rows,
    sum_scaled,
    variance_block,
)

SHAPE = (12, 5)
F_D, F_S, FLOOR = 0.7, 0.02, 1e-3
Lines = tuple[Image, Image, Image, Image]


def spectra(rng: np.random.Generator, number: int) -> list[np.ndarray]:
    values = rng.normal(size=(number, *SHAPE, 2)).astype(np.float32)
    return list((values[..., 0] + 1j * values[..., 1]).astype(np.complex64))


def noise_lines(rng: np.random.Generator) -> Lines:
    vny, vnx, vry, vrx = (rng.uniform(1, 3, n).astype(np.float32) for n in (*SHAPE, *SHAPE))
    return vny, vnx, vry, vrx


def powers(lines: Lines) -> tuple[np.ndarray, np.ndarray]:
    vny, vnx, vry, vrx = (line.astype(np.float64) for line in lines)
    return np.outer(vny, vnx), np.outer(vry, vrx)


def wide(*blocks: np.ndarray) -> list[np.ndarray]:
    return [block.astype(np.complex128) for block in blocks]


def test_match_block_is_equations_13_31_and_33(rng):
    n, r, pn, pr = spectra(rng, 4)
    lines = noise_lines(rng)
    sn2, sr2 = powers(lines)
    big_n, big_r, p_n, p_r = wide(n, r, pn, pr)
    d = np.empty_like(n)
    match_block(n, r, pn, pr, d, *lines, F_D, F_S, FLOOR, 1e-9)

    q_n, q_r = p_n + FLOOR, p_r + FLOOR
    root = np.sqrt(sn2 * abs(q_r) ** 2 + sr2 * abs(q_n) ** 2)
    assert_allclose(d, (q_r * big_n - q_n * big_r) / root / F_D, rtol=2e-4, atol=1e-5)
    below = sn2 * abs(p_r) ** 2 + sr2 * abs(p_n) ** 2
    s_n = np.conj(p_n) * abs(p_r) ** 2 * big_n / below
    s_r = np.conj(p_r) * abs(p_n) ** 2 * big_r / below
    assert_allclose(n, s_n / F_S, rtol=2e-4, atol=1e-3)
    assert_allclose(r, s_r / F_S, rtol=2e-4, atol=1e-3)


def test_match_block_divides_by_nothing_smaller_than_the_least(rng):
    n, r, pn, pr = spectra(rng, 4)
    pn[:], pr[:] = 1e-3, 1e-3
    white_y, white_x = (np.ones(size, np.float32) for size in SHAPE)
    white = white_y, white_x, white_y, white_x
    before, d, least = n.copy(), np.empty_like(n), 1e-4
    match_block(n, r, pn, pr, d, *white, F_D, F_S, FLOOR, least)
    assert_allclose(n, 1e-3 * 1e-6 * before / least / F_S, rtol=1e-4)


@pytest.mark.parametrize("keeps", [True, False])
def test_cross_block_subtracts_the_cross_blurred_images(rng, keeps):
    n, r, bn, br = spectra(rng, 4)
    big_n, big_r, b_n, b_r = wide(n, r, bn, br)
    out = np.empty_like(n)
    cross_block(n, r, bn, br, out, keeps)
    assert_allclose(out, b_n * big_n - b_r * big_r, rtol=1e-4, atol=1e-5)
    mean = (b_n * big_n + b_r * big_r) / 2
    assert_allclose(r, big_r if keeps else mean, rtol=1e-4, atol=1e-5)
    assert_array_equal(n, big_n)


def test_filter_block_is_equations_13_and_17(rng):
    c, r, bn, br, pn = spectra(rng, 5)
    lines = noise_lines(rng)
    sn2, sr2 = powers(lines)
    difference, mean, b_n, b_r, p_n = wide(c, r, bn, br, pn)
    s = np.empty_like(c)
    filter_block(c, r, bn, br, pn, s, *lines, F_D, F_S, FLOOR, 1e-9)

    below = sn2 * abs(b_n) ** 2 + sr2 * abs(b_r) ** 2
    matched = np.conj(b_n * p_n) / below
    assert_allclose(s, matched * difference / F_S, rtol=2e-4, atol=1e-2)
    assert_allclose(r, matched * mean / F_S, rtol=2e-4, atol=1e-2)
    root = np.sqrt(sn2 * abs(b_n + FLOOR) ** 2 + sr2 * abs(b_r + FLOOR) ** 2)
    assert_allclose(c, difference / root / F_D, rtol=2e-4, atol=1e-5)


def test_filter_block_gives_match_blocks_score_for_zogys_blurs(rng):
    n, r, pn, pr = spectra(rng, 4)
    lines = noise_lines(rng)
    blurred, kept, d = np.empty_like(n), r.copy(), np.empty_like(n)
    cross_block(n, kept, pr, pn, blurred, False)
    s = np.empty_like(n)
    filter_block(blurred, kept, pr, pn, pn, s, *lines, F_D, F_S, FLOOR, 1e-9)
    match_block(n, r, pn, pr, d, *lines, F_D, F_S, FLOOR, 1e-9)
    # Two ways to the same S: eq. 17 from D, and S_n - S_r of eqs. 31 and 33.
    assert_allclose(s, n - r, rtol=2e-3, atol=0.05)


def test_variance_block_is_equations_26_and_27(rng):
    vn, vr, kn2, kr2 = spectra(rng, 4)
    v_n, v_r, k_n, k_r = wide(vn, vr, kn2, kr2)
    variance_block(vn, vr, kn2, kr2)
    assert_allclose(vn, v_n * k_n + v_r * k_r, rtol=1e-4, atol=1e-5)


def test_add_scaled_multiplies_each_row(rng):
    total, part = spectra(rng, 2)
    along_y = rng.normal(size=SHAPE[0]).astype(np.float32)
    expected = total + np.diag(along_y.astype(np.float64)) @ part
    add_scaled(total, part, along_y)
    assert_allclose(total, expected, rtol=1e-4, atol=1e-5)


def test_sum_scaled_multiplies_each_column(rng):
    total, plane = rng.normal(size=(2, *SHAPE)).astype(np.float32)
    along_x = rng.normal(size=SHAPE[1]).astype(np.float32)
    expected = total + plane @ np.diag(along_x.astype(np.float64))
    sum_scaled(total, plane, along_x)
    assert_allclose(total, expected, rtol=1e-4, atol=1e-5)


def test_scale_rows_divides_by_the_scales_of_each_position(rng):
    d, flux, mean = rng.normal(0, 10, (3, *SHAPE)).astype(np.float32)
    variance = rng.uniform(0, 5, SHAPE).astype(np.float32)
    by_y = rng.uniform(0.5, 1, (SHAPE[0], 3)).astype(np.float32)
    along_x = rng.uniform(0.5, 1, (3, 3, SHAPE[1])).astype(np.float32)
    scale_d, scale_flux, sky = np.einsum("yk,wkx->wyx", by_y, along_x, dtype=np.float64)
    science, reference = np.empty_like(d), np.empty_like(d)
    before = [a.astype(np.float64) for a in (d, flux, mean, variance)]
    least = 2.5
    scale_rows(d, flux, mean, variance, by_y, along_x, least, science, reference)

    assert_allclose(d, before[0] / scale_d, rtol=1e-4)
    assert_allclose(flux, before[1] / scale_flux, rtol=1e-4)
    expected = np.maximum(before[3] / scale_flux**2 + sky, least)
    assert_allclose(variance, expected, rtol=1e-4)
    assert (expected == least).any()
    assert (expected > least).any()
    # Both fluxes have that mean and that difference.
    assert_allclose((science + reference) / 2, before[2] / scale_flux, rtol=1e-3, atol=1e-4)
    assert_allclose(science - reference, before[1] / scale_flux, rtol=1e-3, atol=1e-4)
    assert_array_equal(mean, before[2])
