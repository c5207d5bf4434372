"""How a detector was set up, as headers tell it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrid_assets.surveys.fits.headers import HeaderView
from astrid_assets.surveys.fits.setup import DetectorSetup, detector_setup
from astrid_assets.surveys.profile import Keywords
from astrid_assets_tests.surveys.fits_files import header_of


def setup(**cards: object) -> tuple[DetectorSetup, list[str]]:
    notes: list[str] = []
    header = header_of({k.replace("_", "-"): v for k, v in cards.items()})
    return detector_setup(HeaderView(header), Keywords(), notes), notes


def test_nothing_said_is_nothing_known():
    assert setup() == (DetectorSetup(), [])


def test_names_are_told_without_padding():
    found, _ = setup(INSTRUME="SBIG STL-1001  3  ", READMODE="Slow ")
    assert (found.instrument, found.readout_mode) == ("SBIG STL-1001 3", "Slow")


@pytest.mark.parametrize(
    ("cards", "binning"),
    [
        ({"XBINNING": 2, "YBINNING": 1}, "2x1"),
        ({"XBINNING": 2}, "2x2"),
        ({"CCDXBIN": 4, "CCDYBIN": 2}, "4x2"),
        ({"CCDBINX": 3, "CCDBINY": 1}, "3x1"),
        ({"CCDSUM": "2 4"}, "2x4"),
        ({"CCDSUM": "2x2"}, "2x2"),
        ({"XBINNING": "1"}, "1x1"),
        ({"XBINNING": 0}, ""),
        ({"XBINNING": "fine"}, ""),
    ],
)
def test_binning_is_read_in_its_many_forms(cards, binning):
    assert setup(**cards)[0].binning == binning


@pytest.mark.parametrize(
    ("cards", "temperature", "note"),
    [
        ({"CCD_TEMP": -4.8178}, -4.8178, None),
        ({"CCDTEMP": "-99.0"}, -99.0, None),
        ({"CCD_TEMP": 180.2}, -92.95, "kelvin"),
        ({"CCD_TEMP": 999}, None, "no temp"),
        ({"CCD_TEMP": 999, "TEMPERAT": -5}, -5.0, "no temp"),
    ],
)
def test_temperatures_are_celsius(cards, temperature, note):
    found, notes = setup(**cards)
    assert found.ccd_temperature_c == pytest.approx(temperature)
    assert [note in said for said in notes] == ([True] if note else [])


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_temperature_lies_outside_what_a_detector_can_have(value):
    found, _ = setup(CCD_TEMP=value)
    assert found.ccd_temperature_c is None or -204 <= found.ccd_temperature_c <= 60
