"""Places on the sky: right ones are found, wrong ones are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.wcs import Sip

from astrid_assets.science.astrometry import match_patterns, solve_wcs
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.frame import Stars
from astrid_assets.science.stars import with_sky_positions
from astrid_assets.science.wcs_tools import footprint, moved, to_pixels
from astrid_assets_tests.science.star_fields import tangent_wcs

SHAPE = (600, 700)


def star_list(x, y, flux) -> Stars:
    """Make a star list with 3-pixel stars of known S/N, brightest first."""
    order = np.argsort(-flux)
    n = len(x)
    return Stars(
        x=x[order], y=y[order], flux=flux[order], flux_err=np.sqrt(flux[order] + 1e4),
        fwhm_px=np.full(n, 3.0), elongation=np.ones(n), flag=np.zeros(n, np.int16),
        ra_deg=np.full(n, np.nan), dec_deg=np.full(n, np.nan),
    )  # fmt: skip


def random_stars(rng, n, shape=SHAPE):
    x, y = rng.uniform(0, shape[1], n), rng.uniform(0, shape[0], n)
    return x, y, 1000 * (1 + rng.pareto(0.8, n))


def seen(rng, x, y, flux, matrix, shift, *, noise_px=0.1, kept=0.8) -> Stars:
    """Show a field again: moved, with errors, and with some stars lost."""
    there = (np.column_stack([x, y]) - shift) @ np.linalg.inv(matrix).T
    there += rng.normal(0, noise_px, there.shape)
    inside = np.all((there > 0) & (there < np.array(SHAPE[::-1])), axis=1)
    inside &= rng.uniform(size=len(x)) < kept
    flux = flux * rng.normal(1, 0.03, len(x))
    return star_list(there[inside, 0], there[inside, 1], flux[inside])


def rotation(degrees, scale=1.0):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return scale * np.array([[c, -s], [s, c]])


@pytest.mark.parametrize("turn_deg", [0.0, 0.4, 90.0, 180.0])
@pytest.mark.parametrize("n", [15, 60, 400])
def test_patterns_find_shift_and_rotation(rng, turn_deg, n):
    x, y, flux = random_stars(rng, n)
    middle = np.array(SHAPE[::-1]) / 2
    matrix = rotation(turn_deg, 1.002)
    shift = middle - matrix @ middle + np.array([31.0, -24.0])
    match = match_patterns(
        seen(rng, x, y, flux, matrix, shift), star_list(x, y, flux), SHAPE
    )
    assert match is not None
    corners = np.array([[0, 0], [700, 0], [0, 600], [700, 600.0]])
    error = corners @ (match.matrix - matrix).T + match.shift - shift
    assert np.abs(error).max() < 0.6
    assert match.rms_px < 0.3


@pytest.mark.parametrize("n", [8, 15, 40, 150])
def test_unrelated_fields_never_match(n):
    for seed in range(12):
        rng = np.random.default_rng(seed)
        ours, theirs = (star_list(*random_stars(rng, n)) for _ in range(2))
        assert match_patterns(ours, theirs, SHAPE) is None


def test_a_wrong_header_over_another_field_is_called_wrong_field():
    wcs = tangent_wcs(SHAPE)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        anchor = with_sky_positions(star_list(*random_stars(rng, 30)), wcs)
        with pytest.raises(FrameRejected) as caught:
            solve_wcs(star_list(*random_stars(rng, 14)), wcs, anchor, wcs, SHAPE)
        assert caught.value.code == "wrong_field"


@pytest.mark.parametrize("n", [8, 20, 200])
def test_a_header_off_by_twenty_pixels_is_corrected(rng, n):
    wcs = tangent_wcs(SHAPE)
    x, y, flux = random_stars(rng, n)
    anchor = with_sky_positions(star_list(x, y, flux), wcs)
    shift = np.array([14.0, -15.0])
    stars = seen(rng, x, y, flux, np.eye(2), shift)
    solution = solve_wcs(stars, wcs, anchor, wcs, SHAPE)
    assert solution.from_header
    assert solution.offset_px == pytest.approx(np.hypot(14, 15), abs=0.3)
    truth = moved(wcs, np.eye(2), shift)
    ra, dec = truth.all_pix2world([350.0], [300.0], 0)
    assert to_pixels(solution.wcs, ra, dec)[0] == pytest.approx([350, 300], abs=0.2)


def test_three_stars_confirm_a_right_header(rng):
    wcs = tangent_wcs(SHAPE)
    x, y, flux = random_stars(rng, 40)
    anchor = with_sky_positions(star_list(x, y, flux), wcs)
    three = star_list(x[:3] + 0.5, y[:3], flux[:3])
    assert solve_wcs(three, wcs, anchor, wcs, SHAPE).from_header


def test_galaxies_and_variables_do_not_pull_the_solution(rng):
    wcs = tangent_wcs(SHAPE)
    x, y, flux = random_stars(rng, 60)
    anchor = with_sky_positions(star_list(x, y, flux), wcs)
    stars = seen(rng, x, y, flux, np.eye(2), np.zeros(2), kept=1.0)
    wrong = np.arange(0, len(stars), 6)
    x_moved = stars.x.copy()
    x_moved[wrong] += 2.5
    solution = solve_wcs(replace(stars, x=x_moved), wcs, anchor, wcs, SHAPE)
    off = solution.match.matrix @ [350, 300] + solution.match.shift - [350, 300]
    assert np.hypot(*off) < 0.1


def test_moving_a_distorted_wcs_is_exact():
    wcs = tangent_wcs(SHAPE, turn_deg=12)
    wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    a, b = np.zeros((4, 4)), np.zeros((4, 4))
    a[2, 0], a[1, 1], a[0, 3] = 3e-6, -2e-6, 4e-9
    b[0, 2], b[2, 1] = 2e-6, -3e-9
    wcs.sip = Sip(a, b, None, None, wcs.wcs.crpix)
    matrix, shift = rotation(33, 1.01), np.array([40.0, -70.0])
    pixels = np.array([[0.0, 0], [500, 30], [123, 456], [699, 599]])
    old = pixels @ matrix.T + shift
    new = moved(wcs, matrix, shift)
    expected = np.column_stack(wcs.all_pix2world(old[:, 0], old[:, 1], 0))
    found = np.column_stack(new.all_pix2world(pixels[:, 0], pixels[:, 1], 0))
    assert found == pytest.approx(expected, abs=1e-9)
    assert to_pixels(new, *found.T) == pytest.approx(pixels, abs=1e-3)


def test_the_footprint_is_that_of_the_pixels():
    ra, dec, radius, area = footprint(tangent_wcs(SHAPE, scale_arcsec=2.0), SHAPE)
    assert (ra, dec) == pytest.approx((40.0, -20.0), abs=1e-6)
    assert area == pytest.approx(600 * 700 * 4 / 3600**2, rel=1e-3)
    assert radius == pytest.approx(np.hypot(599, 699) / 2 * 2 / 3600, rel=1e-3)
