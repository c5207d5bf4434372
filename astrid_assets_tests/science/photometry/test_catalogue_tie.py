"""Anchors tied to catalogues: absolute places, magnitudes, colours, motions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import Latitude, Longitude, SkyCoord
from astropy.time import Time
from astropy.wcs import Sip

from astrid_assets.science.astrometry.wcs_tools import to_pixels
from astrid_assets.science.errors import FrameRejected, TooFewStars
from astrid_assets.science.photometry.catalogue_tie import tie_to_catalogue
from astrid_assets.science.photometry.sky_catalogue import SkyCatalogue
from astrid_assets.science.processing.anchor import make_anchor
from astrid_assets.science.processing.measuring import measure_frame
from astrid_assets.science.processing.solving import solve_frame
from astrid_assets.science.settings import ProcessingSettings
from astrid_assets_tests.science.astrometry.test_distortion import SHAPE, camera, grid_error
from astrid_assets_tests.science.astrometry.test_solution import star_list
from astrid_assets_tests.science.star_fields import raw_frame, star_field, tangent_wcs

MJD = 60_676.0  # the beginning of 2025
ZERO_POINT = 27.3
COLOUR_TERM = 0.08


def sky(rng, n=400, *, motion_mas=0.0) -> SkyCatalogue:
    """A catalogue of epoch 2016 around the test field, wider than the frame."""
    wcs = tangent_wcs(SHAPE)
    x, y = rng.uniform(-300, 1500, n), rng.uniform(-300, 1300, n)
    ra, dec = wcs.all_pix2world(x, y, 0)
    mag = 12 + np.log10(rng.uniform(10**-2.4, 1, n)) / 0.3 + 8
    return SkyCatalogue(
        ra_deg=ra,
        dec_deg=dec,
        mag=mag,
        mag_err=np.full(n, 0.005),
        colour=rng.normal(0.8, 0.4, n),
        pm_ra_mas_yr=rng.normal(0, 1, n) * motion_mas,
        pm_dec_mas_yr=rng.normal(0, 1, n) * motion_mas,
        epoch_year=np.full(n, 2016.0),
    )


def seen(rng, catalogue, wcs, *, term=COLOUR_TERM):
    """What a camera sees of a catalogue at the date, by astropy's own motions."""
    there = SkyCoord(
        catalogue.ra_deg * u.deg,
        catalogue.dec_deg * u.deg,
        pm_ra_cosdec=catalogue.pm_ra_mas_yr * u.mas / u.yr,
        pm_dec=catalogue.pm_dec_mas_yr * u.mas / u.yr,
        distance=1 * u.kpc,
        obstime=Time(2016.0, format="jyear"),
    ).apply_space_motion(Time(MJD, format="mjd"))
    assert isinstance(there.ra, Longitude)
    assert isinstance(there.dec, Latitude)
    ra, dec = (np.asarray(angle.to_value(u.deg)) for angle in (there.ra, there.dec))
    pixels = to_pixels(wcs, ra, dec)
    inside = np.all((pixels > 0) & (pixels < np.array(SHAPE[::-1])), axis=1)
    mag = catalogue.mag - term * catalogue.colour
    flux = 10 ** (-0.4 * (mag - ZERO_POINT))
    flux *= 1 + rng.normal(0, 1, len(flux)) * np.sqrt(flux + 1e4) / flux
    error = np.hypot(0.01, 3 / (2.35 * flux / np.sqrt(flux + 1e4)))
    pixels += error[:, None] * rng.normal(size=pixels.shape)
    x, y = pixels[inside].T
    return star_list(x, y, flux[inside])


@pytest.mark.parametrize("motion_mas", [0.0, 100.0])
def test_places_are_absolute_whatever_the_stars_have_moved(rng, motion_mas):
    catalogue, truth = sky(rng, motion_mas=motion_mas), camera(3.0, ra_deg=40.001)
    tie = tie_to_catalogue(seen(rng, catalogue, truth), tangent_wcs(SHAPE), catalogue, MJD, SHAPE)
    error = grid_error(tie.solution.wcs, truth)
    assert np.sqrt(np.mean(error**2)) < 0.02
    assert max(tie.solution.residuals.rms_px) < 0.05


def test_motions_left_out_would_be_seen(rng):
    catalogue = sky(rng, motion_mas=100.0)
    stars = seen(rng, catalogue, tangent_wcs(SHAPE))
    still = replace(catalogue, pm_ra_mas_yr=catalogue.pm_ra_mas_yr * np.nan)
    rms = [
        max(tie_to_catalogue(stars, tangent_wcs(SHAPE), c, MJD, SHAPE).solution.residuals.rms_px)
        for c in (catalogue, still)
    ]
    assert rms[1] > 5 * rms[0]


def test_magnitudes_and_the_colour_term_are_those_of_the_catalogue(rng):
    catalogue = sky(rng)
    tie = tie_to_catalogue(
        seen(rng, catalogue, tangent_wcs(SHAPE)), tangent_wcs(SHAPE), catalogue, MJD, SHAPE
    )
    assert tie.colour_term is not None
    assert tie.colour_term_err is not None
    assert tie.colour_term == pytest.approx(COLOUR_TERM, abs=4 * tie.colour_term_err)
    assert tie.colour_term_err < 0.01
    assert tie.colour_mag is not None
    expected = ZERO_POINT + COLOUR_TERM * tie.colour_mag
    assert tie.zero_point_mag == pytest.approx(expected, abs=0.005)
    assert tie.zero_point_err_mag < 0.003
    assert tie.summary()["map"] == tie.solution.kind


@pytest.mark.parametrize("known", [0, 9])
def test_no_colour_term_without_ten_colours(rng, known):
    catalogue = sky(rng)
    order = np.argsort(catalogue.mag)
    colour = catalogue.colour.copy()
    stars = seen(rng, catalogue, tangent_wcs(SHAPE), term=0.0)
    colour[order[known:]] = np.nan
    tie = tie_to_catalogue(stars, tangent_wcs(SHAPE), replace(catalogue, colour=colour), MJD, SHAPE)
    assert tie.colour_term is None
    assert tie.zero_point_mag == pytest.approx(ZERO_POINT, abs=0.005)


def test_without_a_header_the_patterns_find_the_catalogue(rng):
    catalogue, truth = sky(rng, 250), camera(1.0, turn_deg=117)
    stars = seen(rng, catalogue, truth)
    guess = tangent_wcs(SHAPE, scale_arcsec=1.02, ra_deg=40.02)
    tie = tie_to_catalogue(stars, guess, catalogue, MJD, SHAPE, is_guess=True)
    assert np.sqrt(np.mean(grid_error(tie.solution.wcs, truth) ** 2)) < 0.05


def test_another_sky_is_not_in_the_catalogue(rng):
    stars = seen(rng, sky(rng), tangent_wcs(SHAPE))
    with pytest.raises(FrameRejected, match="catalogue stars around RA") as caught:
        tie_to_catalogue(stars, tangent_wcs(SHAPE), sky(rng), MJD, SHAPE)
    assert caught.value.code == "not_in_catalogue"


def test_a_catalogue_without_magnitudes_gives_no_zero_point(rng):
    catalogue = sky(rng)
    stars = seen(rng, catalogue, tangent_wcs(SHAPE))
    blind = replace(catalogue, mag=np.full(len(catalogue), np.nan))
    with pytest.raises(TooFewStars, match="by the catalogue"):
        tie_to_catalogue(stars, tangent_wcs(SHAPE), blind, MJD, SHAPE)


@pytest.mark.slow
def test_a_tied_anchor_gives_its_field_absolute_places_and_magnitudes(rng):
    field = star_field(rng, 90)
    shape = (384, 384)
    truth, header = tangent_wcs(shape), tangent_wcs(shape, ra_deg=40.004)
    ra, dec = truth.all_pix2world(field.x, field.y, 0)
    nan = np.full(len(ra), np.nan)
    catalogue = SkyCatalogue(
        ra_deg=ra,
        dec_deg=dec,
        mag=ZERO_POINT - 2.5 * np.log10(field.flux),
        mag_err=nan,
        colour=nan,
        pm_ra_mas_yr=nan,
        pm_dec_mas_yr=nan,
        epoch_year=np.full(len(ra), 2016.0),
    )
    settings = ProcessingSettings()
    measured = measure_frame(raw_frame(field.image, header), None, settings)
    anchor = make_anchor(measured, settings, catalogue)
    assert not anchor.is_local
    processed = solve_frame(measured, anchor, settings)
    assert processed.is_accepted
    assert processed.frame.wcs is not None
    there = to_pixels(processed.frame.wcs, *truth.all_pix2world([200.0], [180.0], 0))
    assert there[0] == pytest.approx([200, 180], abs=0.05)
    assert processed.frame.zero_point_mag == pytest.approx(ZERO_POINT, abs=0.03)


@pytest.mark.slow
def test_no_wcs_and_no_place_cannot_be_looked_up(rng):
    field = star_field(rng, 60)
    measured = measure_frame(raw_frame(field.image), None, ProcessingSettings())
    with pytest.raises(FrameRejected, match="ra_deg"):
        make_anchor(measured, ProcessingSettings(), sky(rng))


def test_a_distortion_left_over_in_the_header_is_left_out(rng):
    catalogue, truth = sky(rng), tangent_wcs(SHAPE)
    header = truth.deepcopy()
    bends = np.zeros((3, 3))
    bends[2, 0], bends[1, 1] = 2e-4, 1e-4
    header.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    header.sip = Sip(bends, -bends.T, None, None, header.wcs.crpix)
    tie = tie_to_catalogue(seen(rng, catalogue, truth), header, catalogue, MJD, SHAPE)
    assert grid_error(tie.solution.wcs, truth).max() < 0.1
    assert tie.summary()["header_distortion"] == "left out"


def test_a_distortion_that_is_there_is_kept(rng):
    catalogue, truth = sky(rng), camera(3.0, ra_deg=40.0)
    tie = tie_to_catalogue(seen(rng, catalogue, truth), truth, catalogue, MJD, SHAPE)
    assert grid_error(tie.solution.wcs, truth).max() < 0.1
    assert tie.summary()["header_distortion"] == "kept"


def test_stars_that_scatter_by_a_pixel_define_no_field(rng):
    catalogue, truth = sky(rng), tangent_wcs(SHAPE)
    stars = seen(rng, catalogue, truth)
    blurred = replace(
        stars,
        x=stars.x + rng.normal(0, 1.3, len(stars)),
        y=stars.y + rng.normal(0, 1.3, len(stars)),
    )
    with pytest.raises(FrameRejected) as caught:
        tie_to_catalogue(blurred, truth, catalogue, MJD, SHAPE)
    assert caught.value.code == "bad_astrometry"
