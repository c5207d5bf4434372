"""WCS: believed when it works, a note when it does not."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, DistortionLookupTable
from numpy.testing import assert_allclose

from astrid_assets.storage.fits import cards as fits_cards
from astrid_assets.surveys.fits.reader import RawImage, read_image
from astrid_assets_tests.surveys.fits_files import (
    LIGHT,
    TAN,
    header_of,
    pixels,
    survey,
    to_bytes,
)

SHAPE = (64, 64)
SIP = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-4, "B_0_2": -1e-4, "A_1_1": 5e-5}


def read(**cards: object) -> RawImage:
    header = header_of({**LIGHT, **TAN, **cards})
    return read_file(to_bytes(fits.PrimaryHDU(pixels(SHAPE), header)))


def read_file(content: bytes) -> RawImage:
    return read_image(content, 0, "a.fits", survey())


def sky(raw: RawImage, x: float, y: float) -> np.ndarray:
    assert raw.wcs is not None
    return np.array(raw.wcs.all_pix2world(x, y, 0))


def test_a_plain_wcs_gives_the_coordinates_of_its_formula() -> None:
    raw = read()
    assert raw.facts.has_wcs
    assert_allclose(sky(raw, 19.5, 23.5), [150.0, 2.0], atol=1e-10)
    # Ten pixels up are ten steps of the CD matrix north.
    assert_allclose(sky(raw, 19.5, 33.5), [150.0, 2.0028], atol=1e-8)


@pytest.mark.parametrize("suffix", ["", "-SIP"])
def test_sip_terms_apply_with_and_without_the_suffix(suffix: str) -> None:
    raw = read(CTYPE1=f"RA---TAN{suffix}", CTYPE2=f"DEC--TAN{suffix}", **SIP)
    x, y = 55.0, 44.0
    u, v = x - 19.5, y - 23.5
    distorted = read()
    expected = sky(distorted, x + 1e-4 * u * u + 5e-5 * u * v, y - 1e-4 * v * v)
    assert_allclose(sky(raw, x, y), expected, atol=1e-10)
    assert any("without the suffix" in n for n in raw.facts.notes) == (suffix == "")


def test_tpv_terms_apply() -> None:
    raw = read(CTYPE1="RA---TPV", CTYPE2="DEC--TPV", PV1_1=1.01, PV2_1=1.01)
    plain = sky(read(), 19.5, 33.5)[1] - 2.0
    assert sky(raw, 19.5, 33.5)[1] - 2.0 == pytest.approx(1.01 * plain, rel=1e-5)


def test_lookup_tables_of_other_extensions_apply() -> None:
    wcs = WCS(header_of(TAN))
    table = np.full((8, 8), 0.5, np.float32)
    wcs.cpdis1 = DistortionLookupTable(table, (1, 1), (1, 1), (10, 10))
    wcs.cpdis2 = DistortionLookupTable(table * 0, (1, 1), (1, 1), (10, 10))
    hdus = wcs.to_fits()
    hdus[0] = fits.PrimaryHDU(pixels(SHAPE), fits_cards.header_of(hdus, 0))
    for keyword, value in LIGHT.items():
        fits_cards.header_of(hdus, 0)[keyword] = value
    images = [hdu for hdu in hdus if isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU)]
    assert len(images) == 3
    raw = read_file(to_bytes(*images))
    assert_allclose(sky(raw, 20, 20), sky(read(), 20.5, 20), atol=1e-10)


def test_swapped_axes_still_answer_right_ascension_first() -> None:
    raw = read(
        CTYPE1="DEC--TAN", CTYPE2="RA---TAN", CRVAL1=2.0, CRVAL2=150.0, CD1_1=2.8e-4, CD2_2=-2.8e-4
    )
    # North is along x now, and so it stays: only the answers change places.
    assert_allclose(sky(raw, 19.5, 23.5), [150.0, 2.0], atol=1e-9)
    assert_allclose(sky(raw, 29.5, 23.5), [150.0, 2.0028], atol=1e-7)


def test_swapped_axes_without_a_matrix_are_exchanged_too() -> None:
    cards = {k: v for k, v in TAN.items() if not k.startswith("CD")}
    cards |= {
        "CTYPE1": "DEC--TAN",
        "CTYPE2": "RA---TAN",
        "CRVAL1": 2.0,
        "CRVAL2": 150.0,
        "CDELT1": 2.8e-4,
        "CDELT2": -2.8e-4,
    }
    header = header_of({**LIGHT, **cards})
    raw = read_file(to_bytes(fits.PrimaryHDU(pixels(SHAPE), header)))
    assert_allclose(sky(raw, 29.5, 23.5), [150.0, 2.0028], atol=1e-7)


@pytest.mark.parametrize(
    ("what", "cards"),
    [
        ("singular", {"CD1_1": 0.0, "CD2_2": 0.0}),
        ("half of the sky a pixel", {"CD1_1": -9.0, "CD2_2": 9.0}),
        ("galactic", {"CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"}),
        ("besselian", {"RADESYS": "FK4", "EQUINOX": 1950.0}),
        ("no projection of that name", {"CTYPE1": "RA---XYZ", "CTYPE2": "DEC--XYZ"}),
        (
            "outside the sky",
            {
                "CTYPE1": "RA---ZEA",
                "CTYPE2": "DEC--ZEA",
                "CD1_1": -0.08,
                "CD2_2": 0.08,
                "CRPIX1": -4000.0,
            },
        ),
        ("one axis only", {"CTYPE2": "LINEAR"}),
        (
            "sip that folds",
            {
                "CTYPE1": "RA---TAN-SIP",
                "CTYPE2": "DEC--TAN-SIP",
                "A_ORDER": 2,
                "B_ORDER": 2,
                "A_2_0": 1.0,
                "B_0_2": 1.0,
            },
        ),
        (
            "sip of half",
            {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 2, "A_2_0": 1e-5},
        ),
    ],
)
def test_a_wcs_that_does_not_work_is_a_note_and_no_rejection(
    what: str, cards: dict[str, object]
) -> None:
    raw = read(**cards)
    assert raw.wcs is None, what
    assert not raw.facts.has_wcs
    assert any(note.startswith("bad_wcs: ") for note in raw.facts.notes)


def test_pixel_axes_are_no_broken_wcs() -> None:
    raw = read(CTYPE1="PIXEL", CTYPE2="PIXEL")
    assert raw.wcs is None
    assert not any("wcs" in note for note in raw.facts.notes)
