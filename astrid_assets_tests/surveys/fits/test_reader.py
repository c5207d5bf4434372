"""The door: known pixels and keywords in, the same numbers out."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from numpy.testing import assert_allclose, assert_array_equal

from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.surveys.fits.facts import ImageFacts
from astrid_assets.surveys.fits.reader import raw_image_to_frame, read_headers, read_image
from astrid_assets_tests.surveys.fits_files import (
    LIGHT,
    TAN,
    header_of,
    light,
    pixels,
    survey,
    to_bytes,
)

PATH = "night/frame.fits"


def facts_of(content: bytes, toml: str = "") -> ImageFacts:
    (found,) = read_headers(content, PATH, survey(toml))
    assert isinstance(found, ImageFacts), found
    return found


def data_of(content: bytes, hdu: int = 0, toml: str = "") -> np.ndarray:
    return read_image(content, hdu, PATH, survey(toml)).data


def test_the_facts_are_those_of_the_header() -> None:
    facts = facts_of(light(SATURATE=50000))
    assert facts.kind == "light"
    assert facts.band == "r"
    assert facts.field == "all"
    assert facts.night == "2025-03-01"
    assert facts.observed_mjd == pytest.approx(Time("2025-03-01T22:01:00").mjd, abs=1e-9)
    assert (facts.width, facts.height) == (40, 48)
    assert facts.exposure_s == 120
    assert facts.gain_e_per_adu == 1.5
    assert facts.read_noise_e == 5
    assert facts.saturation_adu == 50000
    assert not facts.has_wcs
    assert facts.notes == ()


@pytest.mark.parametrize(
    ("date_is", "mid"),
    [("start", "22:01:00"), ("middle", "22:00:00"), ("end", "21:59:00")],
)
def test_the_time_is_that_of_mid_exposure(date_is: str, mid: str) -> None:
    facts = facts_of(light(), f'[detector]\ndate_is = "{date_is}"')
    assert facts.observed_mjd == pytest.approx(Time(f"2025-03-01T{mid}").mjd, abs=1e-9)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"])
def test_every_number_type_of_fits_keeps_its_values(dtype: str) -> None:
    values = (pixels() % 200).astype(dtype)
    data = data_of(light(values))
    assert data.dtype == np.dtype("<f4")
    assert_array_equal(data, values)


def test_negative_pixels_stay_negative() -> None:
    values = pixels().astype(np.int16) - 500
    assert_array_equal(data_of(light(values)), values)


def test_scaling_keywords_are_applied_once() -> None:
    hdu = fits.PrimaryHDU(pixels().astype(np.float64), header_of(LIGHT))
    hdu.scale("int32", bzero=100.0, bscale=0.25)
    assert_allclose(data_of(to_bytes(hdu)), pixels(), atol=0.125)


def test_blank_integers_become_nan() -> None:
    values = pixels().astype(np.int16)
    values[2, 7] = -999
    hdu = fits.PrimaryHDU(values, header_of({**LIGHT, "BLANK": -999}))
    data = data_of(to_bytes(hdu))
    assert np.isnan(data[2, 7])
    assert np.isfinite(data).sum() == data.size - 1


def test_a_blank_that_cannot_occur_is_ignored_with_a_note() -> None:
    hdu = fits.PrimaryHDU(pixels(), header_of(LIGHT))
    content = to_bytes(hdu).replace(
        b"BZERO   =                32768", b"BZERO   =                32768"
    )
    broken = content.replace(b"RDNOISE =                  5.0", b"BLANK   =                32768")
    raw = read_image(broken, 0, PATH, survey())
    assert_array_equal(raw.data, pixels())
    assert any("BLANK = 32768 cannot occur" in note for note in raw.facts.notes)


def test_infinite_and_absurd_values_count_as_blank() -> None:
    values = pixels().astype(np.float32)
    values[0, 0], values[1, 1], values[2, 2] = np.inf, -np.inf, 1e30
    raw = read_image(light(values), 0, PATH, survey())
    assert np.isnan(raw.data).sum() == 3
    assert any(note.startswith("3 pixels are infinite") for note in raw.facts.notes)


def test_an_axis_of_length_one_is_no_obstacle() -> None:
    assert_array_equal(data_of(light(pixels()[None])), pixels())


def test_the_light_frames_of_a_file_are_found_among_its_planes() -> None:
    header = header_of(LIGHT)
    content = to_bytes(
        fits.PrimaryHDU(header=header),
        fits.ImageHDU(pixels(), name="SCI"),
        fits.ImageHDU(pixels(), name="MASK"),
        fits.ImageHDU(pixels(), header_of({"EXTTYPE": "VARIANCE"})),
        fits.ImageHDU(pixels(), header_of({"HIERARCH MP_BAD": 0})),
        fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1])]),
        fits.ImageHDU(np.ones((5, 5), np.int16), name="OTHER"),
        fits.ImageHDU(pixels(), name="CHIP2"),
    )
    profile = survey()
    assert [found.hdu for found in read_headers(content, PATH, profile)] == [1, 7]
    everything = survey('[detector]\nhdu = "all"')
    assert [found.hdu for found in read_headers(content, PATH, everything)] == [
        1,
        2,
        3,
        4,
        6,
        7,
    ]
    second = survey("[detector]\nhdu = 7")
    assert [found.hdu for found in read_headers(content, PATH, second)] == [7]


def test_extensions_inherit_from_the_primary_header() -> None:
    content = to_bytes(
        fits.PrimaryHDU(header=header_of(LIGHT)),
        fits.ImageHDU(pixels(), header_of({"GAIN": 3.0})),
    )
    facts = facts_of(content)
    assert facts.gain_e_per_adu == 3.0
    assert facts.exposure_s == 120


def test_the_profile_speaks_where_the_header_is_silent() -> None:
    content = light(GAIN=None, RDNOISE=None, EXPTIME=None, FILTER=None)
    facts = facts_of(
        content,
        "[detector]\ngain_e_per_adu = 2.5\nread_noise_e = 7\nexposure_s = 30\n"
        'band = "V"\nsaturation_adu = 40000\n',
    )
    assert facts.gain_e_per_adu == 2.5
    assert facts.read_noise_e == 7
    assert facts.exposure_s == 30
    assert facts.band == "V"
    assert facts.saturation_adu == 40000


@pytest.mark.parametrize("gain", [None, 0, 200, -1.5, "high"])
def test_without_a_believable_gain_it_is_one_with_a_note(gain: object) -> None:
    facts = facts_of(light(GAIN=gain))
    assert facts.gain_e_per_adu == 1.0
    assert any("no usable gain" in note for note in facts.notes)


def test_egain_outranks_the_camera_setting_gain() -> None:
    assert facts_of(light(GAIN=12, EGAIN=0.16)).gain_e_per_adu == 0.16


def test_numbers_written_as_text_are_numbers() -> None:
    assert facts_of(light(GAIN="1.22", EXPTIME="53.9")).gain_e_per_adu == 1.22


def test_pixels_in_electrons_need_no_gain() -> None:
    assert facts_of(light(BUNIT="ELECTRONS", GAIN=4.0)).gain_e_per_adu == 1.0


def test_an_exposure_in_days_is_converted() -> None:
    content = light(EXPTIME=None, EXPOSURE=0.5, TIMEUNIT="d")
    assert facts_of(content).exposure_s == 43200


def test_a_saturation_level_above_the_number_type_is_cut() -> None:
    facts = facts_of(light(SATURATE=180000))
    assert facts.saturation_adu == 65535
    assert "above what the pixels can hold" in facts.notes[0]


def test_overscan_is_subtracted_and_cut_off_and_the_wcs_follows() -> None:
    values = pixels((48, 60))
    values[:, :10] = 700
    hdu = fits.PrimaryHDU(
        values,
        header_of({**LIGHT, **TAN, "BIASSEC": "[1:10,1:48]", "TRIMSEC": "[21:60,1:48]"}),
    )
    whole = read_image(to_bytes(hdu), 0, PATH, survey())
    profile = survey('[detector]\noverscan = "header"\ntrim = "header"')
    raw = read_image(to_bytes(hdu), 0, PATH, profile)
    assert_array_equal(raw.data, values[:, 20:].astype(np.float32) - 700)
    assert (raw.facts.width, raw.facts.height) == (40, 48)
    assert raw.wcs is not None
    assert whole.wcs is not None
    assert_allclose(raw.wcs.all_pix2world(3, 5, 0), whole.wcs.all_pix2world(23, 5, 0))


def test_a_frame_is_in_electrons_with_its_mask() -> None:
    values = pixels().astype(np.float32)
    values[4, 4] = np.nan
    values[5, 5] = 55000
    raw = read_image(light(values, SATURATE=50000), 0, PATH, survey())
    frame = raw_image_to_frame(raw, "some-id")
    assert frame.frame_id == "some-id"
    assert frame.data.dtype == np.dtype("<f4")
    assert frame.data[4, 4] == 0
    assert frame.mask[4, 4] == MaskBit.NO_DATA
    assert frame.mask[5, 5] == MaskBit.SATURATED
    assert np.count_nonzero(frame.mask) == 2
    assert frame.saturation_e == 75000
    assert frame.data[10, 10] == values[10, 10] * 1.5
    assert np.isnan(raw.data[4, 4]), "the raw image must not be changed"


def test_a_keyword_without_value_is_no_value_and_continued_text_reads_on() -> None:
    hdu = fits.PrimaryHDU(pixels(), header_of({**LIGHT, "GAIN": 9.0, "LONG": "x" * 150}))
    content = to_bytes(hdu).replace(
        b"GAIN    =                  9.0", b"GAIN                          "
    )
    assert b"CONTINUE" in content
    facts = facts_of(content)
    assert facts.gain_e_per_adu == 1.0
    assert facts.exposure_s == 120


def test_reading_leaks_no_warning_and_changes_nothing() -> None:
    hdu = fits.PrimaryHDU(pixels(), header_of({**LIGHT, **TAN, "RADECSYS": "FK5"}))
    content = to_bytes(hdu)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first = read_image(content, 0, PATH, survey())
        second = read_image(content, 0, PATH, survey())
    assert first.facts == second.facts
    assert first.data.tobytes() == second.data.tobytes()


def test_a_tile_that_unpacks_to_too_much_is_refused() -> None:
    hdu = fits.CompImageHDU(
        np.tile(pixels(), (4, 4)),
        header_of(LIGHT),
        compression_type="GZIP_1",
        tile_shape=(192, 160),
    )
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(out)
    content = out.getvalue()
    small = content.replace(
        b"ZTILE1  =                  160", b"ZTILE1  =                    8"
    ).replace(b"ZTILE2  =                  192", b"ZTILE2  =                    8")
    assert small != content
    with pytest.raises(FrameRejected, match="cannot be decoded") as raised:
        read_image(small, 1, PATH, survey())
    assert raised.value.code == "unreadable"


def test_a_checksum_that_does_not_fit_is_a_note() -> None:
    out = io.BytesIO()
    hdu = fits.PrimaryHDU(pixels(), header_of(LIGHT))
    hdu.writeto(out, checksum=True)
    content = out.getvalue()
    assert read_image(content, 0, PATH, survey()).facts.notes == ()
    changed = content[:3000] + b"\x01\x02" + content[3002:]
    (note,) = read_image(changed, 0, PATH, survey()).facts.notes
    assert note.startswith("DATASUM does not fit")
