"""Distortions: found when the stars support them, refused when they do not."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, Sip
from hypothesis import given, settings
from hypothesis import strategies as st

from astrid_assets.science.astrometry.distortion import focal_plane, mapped_wcs
from astrid_assets.science.astrometry.pixel_maps import Pairs, PixelMap, best_map
from astrid_assets.science.astrometry.solution import solve_wcs
from astrid_assets.science.astrometry.wcs_tools import to_pixels
from astrid_assets.science.stars.measurement import with_sky_positions
from astrid_assets.storage.fits.cards import wcs_from_cards, write_wcs
from astrid_assets_tests.science.astrometry.test_solution import rotation, star_list
from astrid_assets_tests.science.star_fields import tangent_wcs

SHAPE = (1000, 1200)
MIDDLE = np.array([599.5, 499.5])


def camera(corner_px: float, *, ra_deg=40.0, turn_deg=0.0) -> WCS:
    """A camera whose cubic distortion moves the corner, with some tilt."""
    wcs = tangent_wcs(SHAPE, ra_deg=ra_deg, turn_deg=turn_deg)
    a, b = np.zeros((4, 4)), np.zeros((4, 4))
    radius = np.hypot(SHAPE[0], SHAPE[1]) / 2
    a[3, 0] = a[1, 2] = b[0, 3] = b[2, 1] = corner_px / radius**3
    a[2, 0], a[1, 1], b[0, 2] = (k * corner_px / radius**2 for k in (0.2, -0.12, 0.14))
    wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    wcs.sip = Sip(a, b, None, None, wcs.wcs.crpix)
    wcs.wcs.set()
    return wcs


def field_seen(rng, wcs, n, *, top: float = SHAPE[0]):
    """Stars of a true sky, and the same as a camera sees them, with photon noise."""
    sky = tangent_wcs(SHAPE)
    x, y = rng.uniform(0, SHAPE[1], n), rng.uniform(0, top, n)
    flux = 1500 * (1 + rng.pareto(0.8, n))
    anchor = with_sky_positions(star_list(x, y, flux), sky)
    there = to_pixels(wcs, *sky.all_pix2world(x, y, 0))
    error = np.hypot(0.01, 3 / (2.35 * flux / np.sqrt(flux + 1e4)))
    there += error[:, None] * rng.normal(size=(n, 2))
    inside = np.all((there > 0) & (there < np.array(SHAPE[::-1])), axis=1)
    x, y = there[inside].T
    return star_list(x, y, flux[inside]), anchor, sky


def grid_error(solved, truth):
    """Where the solution is off, over the whole frame and its edges."""
    span_x, span_y = np.linspace(0, SHAPE[1] - 1, 13), np.linspace(0, SHAPE[0] - 1, 11)
    x, y = (g.ravel() for g in np.meshgrid(span_x, span_y))
    return to_pixels(solved, *truth.all_pix2world(x, y, 0)) - np.column_stack([x, y])


@pytest.mark.slow
@pytest.mark.parametrize("n", [150, 600])
@pytest.mark.parametrize("has_header", [True, False])
def test_a_distortion_of_five_pixels_is_found(rng, n, has_header):
    truth = camera(5.0, ra_deg=40.0 + 25 / 3600)
    stars, anchor, sky = field_seen(rng, truth, n)
    solution = solve_wcs(stars, sky if has_header else None, anchor, sky, SHAPE)
    assert solution.kind == "cubic"
    assert max(solution.residuals.rms_px) < 0.05
    assert np.abs(grid_error(solution.wcs, truth)).max() < 0.1


def test_a_known_distortion_needs_no_polynomial(rng):
    truth = camera(5.0, ra_deg=40.0 + 25 / 3600)
    stars, anchor, sky = field_seen(rng, truth, 300)
    # The header is off by its pointing only: the camera is the same.
    solution = solve_wcs(stars, camera(5.0), anchor, sky, SHAPE)
    assert solution.from_header
    assert solution.kind in ("shift", "similarity")
    assert np.abs(grid_error(solution.wcs, truth)).max() < 0.03


@pytest.mark.parametrize("n", [5, 8])
def test_few_stars_stay_at_shift_or_similarity(n):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        stars, anchor, sky = field_seen(rng, tangent_wcs(SHAPE), n)
        solution = solve_wcs(stars, sky, anchor, sky, SHAPE)
        assert solution.kind in ("shift", "similarity")


@pytest.mark.slow
def test_no_polynomial_where_there_is_no_distortion():
    for seed in range(10):
        rng = np.random.default_rng(seed)
        stars, anchor, sky = field_seen(rng, tangent_wcs(SHAPE), 200)
        solution = solve_wcs(stars, sky, anchor, sky, SHAPE)
        assert solution.kind in ("shift", "similarity", "affine")
        assert np.abs(grid_error(solution.wcs, sky)).max() < 0.03


def test_stars_on_half_of_the_frame_do_not_bend_the_other_half(rng):
    truth = camera(5.0)
    stars, anchor, sky = field_seen(rng, truth, 400, top=SHAPE[0] / 2)
    solution = solve_wcs(stars, sky, anchor, sky, SHAPE)
    assert solution.kind == "affine"
    # No better than a straight continuation, and no worse.
    assert np.abs(grid_error(solution.wcs, truth)).max() < 5


@pytest.mark.parametrize("corner_px", [0.5, 5, 40])
def test_the_pixel_of_a_position_does_not_depend_on_the_others_asked(rng, corner_px):
    wcs = camera(corner_px)
    ra, dec = wcs.all_pix2world(*rng.uniform(0, 1000, (2, 60)), 0)
    together = to_pixels(wcs, ra, dec)
    alone = [to_pixels(wcs, ra[[i]], dec[[i]])[0] for i in range(len(ra))]
    np.testing.assert_array_equal(together, alone)


def test_a_distorted_solution_survives_a_fits_header(rng):
    truth = camera(5.0)
    stars, anchor, sky = field_seen(rng, truth, 300)
    solved = solve_wcs(stars, sky, anchor, sky, SHAPE).wcs
    header = fits.Header()
    write_wcs(header, solved)
    again = wcs_from_cards(fits.Header.fromstring(header.tostring()))
    assert np.abs(grid_error(again, solved)).max() < 1e-6


def test_the_map_does_not_depend_on_the_order_of_its_pairs(rng):
    pixels = rng.uniform(0, 1000, (200, 2))
    goals = pixels + 3e-6 * pixels**2 + rng.normal(0, 0.02, pixels.shape)
    sigma = rng.uniform(0.02, 0.1, 200)
    order = rng.permutation(200)
    one, two = (
        best_map(Pairs(pixels[k], pixels[k], goals[k], sigma[k]), np.eye(2), SHAPE)
        for k in (np.arange(200), order)
    )
    assert one.kind == two.kind == "quadratic"
    probe = rng.uniform(0, 1000, (50, 2))
    assert one(probe, probe) == pytest.approx(two(probe, probe), abs=1e-6)


@pytest.mark.slow
@given(
    turn_deg=st.floats(0, 360),
    corner_px=st.floats(-8, 8),
    scale=st.floats(0.95, 1.05),
    is_mirrored=st.booleans(),
    shift=st.tuples(st.floats(-300, 300), st.floats(-300, 300)),
)
@settings(max_examples=25, deadline=None)
def test_any_mapped_wcs_is_a_round_trip_and_what_was_asked(
    turn_deg, corner_px, scale, is_mirrored, shift
):
    base = camera(corner_px)
    matrix = rotation(turn_deg, scale) @ np.diag([1, -1.0 if is_mirrored else 1])
    found = PixelMap(matrix, MIDDLE - matrix @ MIDDLE + np.array(shift), SHAPE)
    new = mapped_wcs(base, found)
    x, y = (g.ravel() for g in np.meshgrid(np.linspace(0, 1199, 7), np.linspace(0, 999, 7)))
    pixels = np.column_stack([x, y])
    ra, dec = new.all_pix2world(x, y, 0)
    assert to_pixels(new, ra, dec) == pytest.approx(pixels, abs=1e-3)
    # Independently: the detector's distortion, the map, the base's linear part.
    asked = found(pixels, focal_plane(base, pixels))
    expected = np.array(base.wcs_world2pix(ra, dec, 0)).T
    assert expected == pytest.approx(asked, abs=1e-3)
