"""Registration: positions, flux, masks and what interpolation does to noise."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.wcs import WCS

from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.registration.pixel_mapping import PixelMapping
from astrid_assets.science.registration.resampling import (
    fill_masked,
    pixel_mapping,
    pixel_power,
    resample,
    spline_response,
)

SHAPE = (96, 120)


def grid(shape, dx=0.0, dy=0.0):
    return PixelMapping.of(lambda x, y: (x + dx, y + dy), shape)


def star(shape, x, y, sigma=1.6, flux=1000.0):
    yy, xx = np.mgrid[: shape[0], : shape[1]]
    profile = np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * sigma**2))
    return (flux * profile / (2 * np.pi * sigma**2)).astype(np.float32)


def tan_wcs(crpix, *, angle_deg=0.0, scale_deg=2e-4, ra=150.0, dec=-30.0):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = crpix
    c, s = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    wcs.wcs.cd = scale_deg * np.array([[-c, s], [s, c]])
    wcs.wcs.set()
    return wcs


def resampled(image, mapping, mask=None):
    mask = np.zeros(image.shape, np.uint16) if mask is None else mask
    return resample(image, np.ones_like(image), mask, mapping, mapping.shape)


def test_the_mapping_agrees_with_the_wcs_at_every_pixel_tried(rng):
    one, other = tan_wcs((60, 50)), tan_wcs((40, 70), angle_deg=12, scale_deg=1.7e-4)
    mapping = pixel_mapping(one, other, SHAPE)
    columns, rows = rng.integers(0, SHAPE[1], 50), rng.integers(0, SHAPE[0], 50)
    expected = other.all_world2pix(*one.all_pix2world(columns, rows, 0), 0)
    np.testing.assert_allclose(mapping.x[rows, columns], expected[0], atol=1e-3)
    np.testing.assert_allclose(mapping.y[rows, columns], expected[1], atol=1e-3)


def test_a_wcs_of_the_other_side_of_the_sky_is_refused():
    with pytest.raises(FrameRejected) as caught:
        pixel_mapping(tan_wcs((60, 50)), tan_wcs((60, 50), ra=330, dec=30), SHAPE)
    assert caught.value.code == "bad_wcs"


def test_a_star_moves_where_the_mapping_says():
    image = star(SHAPE, 60.0, 50.0)
    moved, _, _ = resampled(image, grid(SHAPE, dx=0.4, dy=-1.3))
    np.testing.assert_allclose(moved, star(SHAPE, 59.6, 51.3), atol=0.3)


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.25])
def test_flux_is_conserved_whatever_the_pixel_scale(scale):
    mapping = PixelMapping.of(lambda x, y: (x * scale, y * scale), (160, 160))
    image, variance, _ = resampled(star(SHAPE, 60.3, 50.2, sigma=2.2), mapping)
    assert image.sum() == pytest.approx(1000, rel=2e-3)
    assert variance[20, 20] == pytest.approx(scale**2, rel=1e-3)


def test_a_cosmic_ray_spoils_only_its_four_nearest_pixels():
    image = star(SHAPE, 60.0, 50.0)
    struck, mask = image.copy(), np.zeros(SHAPE, np.uint16)
    struck[20, 30], mask[20, 30] = 1e6, MaskBit.COSMIC_RAY
    mapping = grid(SHAPE, dx=0.5, dy=0.5)
    moved, _, bits = resampled(struck, mapping, mask)
    clean, _, _ = resampled(image, mapping)
    struck_bits = bits & MaskBit.COSMIC_RAY
    assert np.argwhere(struck_bits).tolist() == [[19, 29], [19, 30], [20, 29], [20, 30]]
    leaning = np.zeros(SHAPE, bool)
    leaning[18:22, 28:32] = True
    assert np.array_equal((bits & MaskBit.INTERPOLATED) != 0, leaning)
    np.testing.assert_allclose(moved[bits == 0], clean[bits == 0], atol=1e-3)


def test_not_a_number_never_gets_out_of_its_mask():
    image, mask = star(SHAPE, 60.0, 50.0), np.zeros(SHAPE, np.uint16)
    image[10:20, 10:20], mask[10:20, 10:20] = np.nan, MaskBit.NO_DATA
    moved, _, bits = resampled(image, grid(SHAPE, dx=0.3), mask)
    assert np.isfinite(moved).all()
    assert (bits[12:18, 12:18] & MaskBit.NO_DATA).all()


def test_places_outside_the_image_are_empty_and_say_so():
    moved, variance, bits = resampled(np.ones(SHAPE, np.float32), grid(SHAPE, dx=30.2))
    assert (bits[:, -30:] & MaskBit.NO_DATA).all()
    assert not moved[:, -30:].any()
    assert not bits[:, :80].any()
    assert (variance > 0).all()


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.25, 0.0), (0.5, 0.5), (0.37, -0.2)])
def test_the_noise_of_resampled_pixels_is_what_the_response_says(rng, shift):
    noise = rng.normal(size=(400, 400)).astype(np.float32)
    mapping = grid(noise.shape, *shift)
    moved, _, _ = resampled(noise, mapping)
    assert moved[5:-5, 5:-5].var() == pytest.approx(pixel_power(mapping), rel=0.02)


def test_the_signal_response_is_that_of_a_resampled_wave():
    mapping = grid((64, 64), dx=0.3)
    frequency = 10 / 64
    wave = np.cos(2 * np.pi * frequency * np.arange(64))[None, :] * np.ones((64, 1))
    moved, _, _ = resampled(wave.astype(np.float32), mapping)
    (along_x, _), _ = spline_response(mapping, np.array([frequency]))
    expected = np.cos(2 * np.pi * frequency * (np.arange(64) + 0.3)) * along_x
    np.testing.assert_allclose(moved[32, 12:-12], expected[12:-12], atol=2e-3)


def test_filling_takes_the_local_value_and_touches_nothing_else(rng):
    image = (100 + rng.normal(size=SHAPE)).astype(np.float32)
    bad = np.zeros(SHAPE, bool)
    bad[40:43, 50:53] = True
    filled = fill_masked(np.where(bad, 9e9, image).astype(np.float32), bad)
    np.testing.assert_allclose(filled[bad], 100, atol=1.5)
    assert np.array_equal(filled[~bad], image[~bad])


def test_a_mapping_of_another_shape_is_an_error():
    with pytest.raises(ValueError, match="mapping of shape"):
        resample(
            np.ones(SHAPE, np.float32),
            np.ones(SHAPE, np.float32),
            np.zeros(SHAPE, np.uint16),
            grid((10, 10)),
            SHAPE,
        )
