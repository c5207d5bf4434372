"""Places on the sky: right ones are found, wrong ones are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.wcs import Sip

from astrid_assets.science.astrometry.solution import match_patterns, solve_wcs
from astrid_assets.science.astrometry.wcs_tools import footprint, moved, to_pixels
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.stars.measurement import with_sky_positions
from astrid_assets.science.stars.star_list import Stars
from astrid_assets_tests.science.star_fields import tangent_wcs

SHAPE = (600, 700)


def star_list(x, y, flux) -> Stars:
    """Make a star list with 3-pixel stars of known S/N, brightest first."""
    order = np.argsort(-flux)
    n = len(x)
    return Stars(
        x=x[order],
        y=y[order],
        flux=flux[order],
        flux_err=np.sqrt(flux[order] + 1e4),
        fwhm_px=np.full(n, 3.0),
        elongation=np.ones(n),
        flag=np.zeros(n, np.int16),
        ra_deg=np.full(n, np.nan),
        dec_deg=np.full(n, np.nan),
    )


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
    match = match_patterns(seen(rng, x, y, flux, matrix, shift), star_list(x, y, flux), SHAPE)
    assert match is not None
    corners = np.array([[0, 0], [700, 0], [0, 600], [700, 600.0]])
    error = corners @ (match.matrix - matrix).T + match.shift - shift
    assert np.abs(error).max() < 0.6
    assert match.rms_px < 0.3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scale", "is_mirrored"), [(1.04, False), (0.96, False), (1.0, True), (1.02, True)]
)
@pytest.mark.parametrize("n", [10, 80, 1200])
def test_patterns_find_a_scale_off_by_per_cents_and_mirror_images(rng, n, scale, is_mirrored):
    x, y, flux = random_stars(rng, n)
    middle = np.array(SHAPE[::-1]) / 2
    matrix = rotation(170, scale) @ np.diag([1, -1.0 if is_mirrored else 1])
    shift = middle - matrix @ middle + np.array([20.0, 9.0])
    match = match_patterns(seen(rng, x, y, flux, matrix, shift), star_list(x, y, flux), SHAPE)
    assert match is not None
    assert (np.linalg.det(match.matrix) < 0) == is_mirrored
    corners = np.array([[0, 0], [700, 0], [0, 600], [700, 600.0]])
    error = corners @ (match.matrix - matrix).T + match.shift - shift
    assert np.abs(error).max() < 0.8


def test_a_drift_by_half_of_the_frame_is_found(rng):
    x, y = rng.uniform(0, 1100, 300), rng.uniform(0, 600, 300)
    flux = 1000 * (1 + rng.pareto(0.8, 300))
    here, there = x < 700, x > 350
    ours = star_list(x[there] - 350, y[there], flux[there])
    match = match_patterns(ours, star_list(x[here], y[here], flux[here]), SHAPE)
    assert match is not None
    assert match.shift == pytest.approx([350, 0], abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "times"), [(6, 200), (15, 200), (60, 20), (400, 6)])
def test_unrelated_fields_never_match(n, times):
    wcs = tangent_wcs(SHAPE)
    for seed in range(times):
        rng = np.random.default_rng(seed)
        ours, theirs = (star_list(*random_stars(rng, n)) for _ in range(2))
        anchor = with_sky_positions(theirs, wcs)
        with pytest.raises(FrameRejected) as caught:
            solve_wcs(ours, wcs, anchor, wcs, SHAPE)
        assert caught.value.code == "wrong_field"
        assert caught.value.measurements["chance"] > 1e-3


def test_a_failed_solution_says_how_near_it_came(rng):
    wcs = tangent_wcs(SHAPE)
    anchor = with_sky_positions(star_list(*random_stars(rng, 40)), wcs)
    with pytest.raises(FrameRejected, match="the star patterns bring"):
        solve_wcs(star_list(*random_stars(rng, 40)), wcs, anchor, wcs, SHAPE)
    with pytest.raises(FrameRejected, match="3 needed to find its position") as caught:
        solve_wcs(star_list(*random_stars(rng, 2)), wcs, anchor, wcs, SHAPE)
    assert caught.value.code == "too_few_stars"


def test_a_header_on_the_other_side_of_the_sky_is_found_wrong_by_the_stars(rng):
    wcs = tangent_wcs(SHAPE)
    x, y, flux = random_stars(rng, 50)
    anchor = with_sky_positions(star_list(x, y, flux), wcs)
    stars = seen(rng, x, y, flux, np.eye(2), np.array([5.0, 3.0]))
    far = tangent_wcs(SHAPE, ra_deg=220, dec_deg=20)
    solution = solve_wcs(stars, far, anchor, wcs, SHAPE)
    assert not solution.from_header
    assert np.isnan(solution.offset_px)


def test_residuals_are_in_the_frame_and_the_order_of_the_stars_is_nothing(rng):
    wcs = tangent_wcs(SHAPE, scale_arcsec=0.5)
    x, y, flux = random_stars(rng, 300)
    anchor = with_sky_positions(star_list(x, y, flux), wcs)
    stars = seen(rng, x, y, flux, np.eye(2), np.zeros(2), noise_px=0.04, kept=1.0)
    left = solve_wcs(stars, wcs, anchor, wcs, SHAPE).residuals
    assert left.rms_px == pytest.approx((0.04, 0.04), rel=0.2)
    assert left.rms_mas == pytest.approx((20, 20), rel=0.2)
    order = rng.permutation(len(anchor))
    shuffled = replace(anchor, **{k: v[order] for k, v in vars(anchor).items()})
    again = solve_wcs(stars, wcs, shuffled, wcs, SHAPE)
    assert again.residuals.rms_px == pytest.approx(left.rms_px, rel=1e-3)


@pytest.mark.slow
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
    expected = np.array(wcs.all_pix2world(old[:, 0], old[:, 1], 0)).T
    found = np.array(new.all_pix2world(pixels[:, 0], pixels[:, 1], 0)).T
    assert found == pytest.approx(expected, abs=1e-9)
    assert to_pixels(new, *found.T) == pytest.approx(pixels, abs=1e-3)


def test_the_footprint_is_that_of_the_pixels():
    ra, dec, radius, area = footprint(tangent_wcs(SHAPE, scale_arcsec=2.0), SHAPE)
    assert (ra, dec) == pytest.approx((40.0, -20.0), abs=1e-6)
    assert area == pytest.approx(600 * 700 * 4 / 3600**2, rel=1e-3)
    assert radius == pytest.approx(np.hypot(599, 699) / 2 * 2 / 3600, rel=1e-3)
