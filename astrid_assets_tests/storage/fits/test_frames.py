"""Frames, stars and differences survive the way through FITS, byte for byte alike."""

from __future__ import annotations

import io
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, Sip
from hypothesis import given
from hypothesis import strategies as st

from astrid_assets.science.differencing.difference import Difference
from astrid_assets.science.errors import Reason
from astrid_assets.science.frame import Frame, PsfModel
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.science.stars.star_list import Stars
from astrid_assets.storage.fits.cards import text_card, text_from
from astrid_assets.storage.fits.differences import difference_from_fits, difference_to_fits
from astrid_assets.storage.fits.frames import (
    frame_from_fits,
    frame_to_fits,
    stars_from_fits,
)

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image

SHAPE = (150, 201)
SKY_RMS = 18.0
SCALARS = [
    "frame_id",
    "band",
    "observed_mjd",
    "exposure_s",
    "gain_e_per_adu",
    "read_noise_e",
    "saturation_e",
    "zero_point_mag",
    "sky_rms_e",
    "psf_noise_factor",
]


def distorted_wcs() -> WCS:
    """Return a TAN-SIP WCS whose numbers need all their digits."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    wcs.wcs.crval = [150.1234567890123, -2.234567890123456]
    wcs.wcs.crpix = [101.2345678901234, 74.98765432109876]
    wcs.wcs.cd = np.array([[-1.1, 0.0017], [0.0017, 1.1]]) * 1e-4 / 3
    a, b = np.zeros((4, 4)), np.zeros((4, 4))
    a[2, 0], a[1, 1], b[0, 3] = 1.234567890123e-6 / 3, -2e-7 / 3, 3e-9 / 7
    wcs.sip = Sip(a, b, None, None, wcs.wcs.crpix)
    return wcs


@pytest.fixture
def frame(rng: np.random.Generator) -> Frame:
    data = rng.normal(0, SKY_RMS, SHAPE).astype(np.float32)
    data[70:75, 100:105] += 250_000
    mask = np.zeros(SHAPE, np.uint16)
    mask[70:75, 100:105] = MaskBit.SATURATED | MaskBit.INTERPOLATED
    mask[10:20, 10:30] = MaskBit.NO_DATA
    data[10:20, 10:30] = 0
    return Frame(
        frame_id="0b4b0ee9-78dd-5a44-8a87-c5ba4fbcd8c2",
        data=data,
        mask=mask,
        variance=(SKY_RMS**2 + np.maximum(data, 0)).astype(np.float32),
        wcs=distorted_wcs(),
        observed_mjd=60735.123456789012,
        exposure_s=30.1,
        band="Hα narrow",
        gain_e_per_adu=1.7,
        read_noise_e=8.3,
        saturation_e=60_000.0,
        zero_point_mag=27.123456789012,
        psf=PsfModel(rng.random((3, 25, 25)).astype(np.float32), SHAPE, 3.3, 22),
        sky_rms_e=SKY_RMS,
        psf_noise_factor=1.123456789012,
    )


@pytest.fixture
def stars(rng: np.random.Generator) -> Stars:
    columns = {field.name: rng.normal(size=9) for field in fields(Stars)}
    columns["ra_deg"][4] = np.nan
    return Stars(**{**columns, "flag": np.arange(9, dtype=np.int16)})


def assert_same_sky(wcs: WCS | None, other: WCS | None) -> None:
    assert wcs is not None
    assert other is not None
    y, x = np.mgrid[0 : SHAPE[0] : 30, 0 : SHAPE[1] : 30]
    ra, dec = wcs.all_pix2world(x.ravel(), y.ravel(), 0)
    ra2, dec2 = other.all_pix2world(x.ravel(), y.ravel(), 0)
    # A billionth of a pixel.
    np.testing.assert_allclose(ra2, ra, rtol=0, atol=4e-14 * 360)
    np.testing.assert_allclose(dec2, dec, rtol=0, atol=4e-14)


def test_a_frame_survives_but_for_a_fraction_of_its_noise(frame: Frame, stars: Stars):
    content = frame_to_fits(frame, stars)
    copy = frame_from_fits(content)
    for name in SCALARS:
        assert getattr(copy, name) == getattr(frame, name), name
    error = (copy.data - frame.data) / (SKY_RMS / 16)
    assert np.abs(error).max() <= 0.52
    assert error.std() == pytest.approx(1 / np.sqrt(12), rel=0.05)
    # The rounding is dithered: no bias is left.
    assert abs(error.mean()) < 5 * error.std() / np.sqrt(error.size)
    assert copy.variance is not None
    assert frame.variance is not None
    np.testing.assert_allclose(copy.variance, frame.variance, rtol=1e-3)
    np.testing.assert_array_equal(copy.mask, frame.mask)
    assert copy.psf is not None
    assert frame.psf is not None
    np.testing.assert_array_equal(copy.psf.coefficients, frame.psf.coefficients)
    assert (copy.psf.frame_shape, copy.psf.fwhm_px, copy.psf.n_stars) == (
        SHAPE,
        3.3,
        22,
    )
    assert_same_sky(frame.wcs, copy.wcs)
    assert copy.wcs is not None
    assert copy.wcs.sip is not None


def test_arrays_come_back_in_the_types_the_rest_expects(frame: Frame):
    copy = frame_from_fits(frame_to_fits(frame, None))
    assert copy.variance is not None
    for array, dtype in (
        (copy.data, np.float32),
        (copy.variance, np.float32),
        (copy.mask, np.uint16),
    ):
        assert array.dtype == dtype
        assert array.dtype.isnative
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_pixels_without_data_stay_exactly_zero(frame: Frame):
    copy = frame_from_fits(frame_to_fits(frame, None))
    assert (copy.data[frame.mask == MaskBit.NO_DATA] == 0).all()


def test_the_same_frame_gives_the_same_bytes(frame: Frame, stars: Stars):
    content = frame_to_fits(frame, stars)
    assert frame_to_fits(replace(frame, data=frame.data.copy()), stars) == content
    for word in (b"DATE", b"CHECKSUM", b"DATASUM"):
        assert word not in content


def test_a_frame_is_a_fraction_of_its_size_in_memory(frame: Frame):
    content = frame_to_fits(frame, None)
    assert len(content) * 8 / frame.data.size < 24  # of 80 bits; small frames pay more


def test_other_readers_see_the_image_and_its_coordinates(frame: Frame):
    with fits.open(io.BytesIO(frame_to_fits(frame, None))) as hdus:
        hdus.verify("exception")
        names = [row[1] for row in hdus.info(output=False) or ()]
        header = hdus[1].header  # type: ignore[union-attr]  # astropy's list is untyped
    assert names == ["PRIMARY", "DATA", "MASK", "VARIANCE", "PSF"]
    assert header["CTYPE1"] == "RA---TAN-SIP"
    assert header["BUNIT"] == "electron"


def test_what_a_frame_lacks_it_still_lacks_afterwards(rng: np.random.Generator):
    bare = Frame(
        frame_id="x",
        data=rng.normal(1000, 5, (40, 50)).astype(np.float32),
        mask=np.zeros((40, 50), np.uint16),
        observed_mjd=60000.5,
        exposure_s=0.0,
        band="",
    )
    copy = frame_from_fits(frame_to_fits(bare, None))
    for name in (*SCALARS, "variance", "wcs", "psf"):
        assert getattr(copy, name) == getattr(bare, name), name
    # Without a known sky its noise is measured; the same precision follows.
    assert np.abs(copy.data - bare.data).max() < 5 / 16


def odd_images() -> dict[str, Image]:
    """Return images that no survey should send and one day will."""
    noise = np.random.default_rng(1).normal(0, 1, (70, 80)).astype(np.float32)
    wide = noise.copy()
    wide[3, 4], wide[5, 6] = 3e30, -3e30
    holes = noise.copy()
    holes[10:60, 20:30] = np.nan
    return {
        "constant": np.full((70, 80), 7.25, np.float32),
        "zero": np.zeros((70, 80), np.float32),
        "one pixel wide": noise[:, :1].copy(),
        "huge range": wide,
        "holes": holes,
        "nothing": np.full((70, 80), np.nan, np.float32),
    }


@pytest.mark.slow
@pytest.mark.parametrize("sky_rms_e", [None, 1.0, 1e-12, 0.0, float("nan")])
@pytest.mark.parametrize("kind", sorted(odd_images()))
def test_odd_images_survive_too(frame: Frame, kind: str, sky_rms_e: float | None):
    image = odd_images()[kind]
    odd = replace(
        frame,
        data=image,
        variance=image,
        mask=np.zeros(image.shape, np.uint16),
        sky_rms_e=sky_rms_e,
    )
    copy = frame_from_fits(frame_to_fits(odd, None))
    assert copy.variance is not None
    np.testing.assert_array_equal(np.isnan(copy.data), np.isnan(image))
    np.testing.assert_allclose(copy.data, image, rtol=1e-6, atol=1 / 16)
    np.testing.assert_allclose(copy.variance, image, rtol=1e-3)


def test_stars_survive_exactly_with_a_frame(frame: Frame, stars: Stars):
    copy = stars_from_fits(frame_to_fits(frame, stars))
    for field in fields(Stars):
        stored, first = getattr(copy, field.name), getattr(stars, field.name)
        np.testing.assert_array_equal(stored, first)
        assert stored.dtype == first.dtype
        assert stored.dtype.isnative


def test_no_stars_are_stars_too(frame: Frame, stars: Stars):
    none = Stars(**{f.name: getattr(stars, f.name)[:0] for f in fields(Stars)})
    assert len(stars_from_fits(frame_to_fits(frame, none))) == 0


def test_a_frame_without_stars_says_so(frame: Frame):
    with pytest.raises(KeyError, match="STARS"):
        stars_from_fits(frame_to_fits(frame, None))


@given(st.text(st.characters()))
def test_any_text_fits_into_a_header(text: str):
    card = text_card(text)
    assert text_from(card) == text
    assert card.isascii()
    header = fits.Header()
    header["BAND"] = card[:60]
    read = fits.Header.fromstring(header.tostring())
    assert read["BAND"] == card[:60]


def test_a_long_name_of_a_field_fits_too(frame: Frame):
    odd = replace(frame, frame_id="Ж" * 120, band="a'b  ")
    copy = frame_from_fits(frame_to_fits(odd, None))
    assert (copy.frame_id, copy.band) == (odd.frame_id, odd.band)


@pytest.fixture
def difference(frame: Frame, rng: np.random.Generator) -> Difference:
    flux_err = (100 + 10 * rng.random(SHAPE)).astype(np.float32)
    score = rng.normal(0, 1, SHAPE).astype(np.float32)
    score[50, 60] = 4321.0
    score[frame.mask > 0] = 0
    return Difference(
        frame_id="science",
        reference_id="reference",
        d=rng.normal(0, 20, SHAPE).astype(np.float32),
        score=score,
        flux=score * flux_err,
        flux_err=flux_err,
        mask=frame.mask,
        registered_reference=rng.normal(0, 5, SHAPE).astype(np.float32),
        psf_d=rng.random((25, 25)).astype(np.float32),
        psf_d_changes=rng.random((2, 25, 25)).astype(np.float32),
        wcs=distorted_wcs(),
        zero_point_mag=27.1,
        std_score=1.0123456789,
        flux_ratio=0.9876543210123,
        flux_ratio_scatter=0.012,
        n_stars=41,
        offset_px=0.0345,
        astrometric_noise_px=float("nan"),
        psf_error=0.01,
        sky_rms_e=18.0,
        reference_rms_e=5.0,
        noise_factor=1.2,
        coverage=0.97,
        limiting_mag=None,
        area_deg2=0.0123,
        reasons=(
            Reason(ReasonCode.NOISY_SCORE, "σ is 1.7, 'too' high " * 9, {"std": 1.7, "n": 3.0}),
        ),
        flags=(
            Reason(ReasonCode.FEW_STARS, "", {}),
            Reason(ReasonCode.POOR_SEEING, "x", {"ratio": 0.5}),
        ),
    )


@pytest.mark.slow
def test_a_difference_survives_but_for_a_fraction_of_its_noise(difference: Difference):
    copy = difference_from_fits(difference_to_fits(difference))
    images = {"d", "score", "flux", "flux_err", "registered_reference"}
    psfs = {"psf_d", "psf_d_changes"}
    arrays = images | psfs | {"mask", "wcs", "astrometric_noise_px"}
    for field in fields(Difference):
        if field.name not in arrays:
            name = field.name
            assert getattr(copy, name) == getattr(difference, name), name
    assert np.isnan(copy.astrometric_noise_px)
    for name in images:
        assert getattr(copy, name).dtype == np.float32, name
    assert np.abs(copy.d - difference.d).max() <= 0.52 * 18 / 16
    reference = copy.registered_reference - difference.registered_reference
    assert np.abs(reference).max() <= 0.52 * 5 / 16
    assert np.abs(copy.score - difference.score).max() <= 0.52 / 32
    assert (copy.score[difference.mask > 0] == 0).all()
    assert (copy.flux[difference.mask > 0] == 0).all()
    np.testing.assert_allclose(copy.flux_err, difference.flux_err, rtol=1e-3)
    np.testing.assert_allclose(copy.flux, difference.flux, rtol=1e-3, atol=0.53 / 32 * 111)
    np.testing.assert_array_equal(copy.mask, difference.mask)
    for name in psfs:
        np.testing.assert_array_equal(getattr(copy, name), getattr(difference, name))
    constant = replace(difference, psf_d_changes=None)
    assert difference_from_fits(difference_to_fits(constant)).psf_d_changes is None
    assert_same_sky(difference.wcs, copy.wcs)


@pytest.mark.slow
def test_the_same_difference_gives_the_same_bytes(difference: Difference):
    content = difference_to_fits(difference)
    assert difference_to_fits(replace(difference, d=difference.d.copy())) == content
    for word in (b"DATE", b"CHECKSUM", b"DATASUM"):
        assert word not in content


@pytest.mark.slow
def test_an_accepted_difference_has_no_reasons(difference: Difference):
    accepted = replace(difference, reasons=(), flags=())
    copy = difference_from_fits(difference_to_fits(accepted))
    assert copy.is_accepted
    assert copy.flags == ()
