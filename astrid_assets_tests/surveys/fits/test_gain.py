"""Gain: what unit and comment of a header make of a number."""

from __future__ import annotations

import pytest

from astrid_assets.surveys.fits.gain import gain_e_per_adu
from astrid_assets.surveys.fits.headers import HeaderView
from astrid_assets_tests.surveys.fits_files import header_of, survey


def gain(comment: str = "", exposure_s: float = 60.0, **cards: object) -> tuple[float, str]:
    header = header_of(cards)
    if comment:
        header.comments["GAIN"] = comment
    notes: list[str] = []
    value = gain_e_per_adu(HeaderView(header), survey(), exposure_s, notes)
    return value, " ".join(notes)


@pytest.mark.parametrize(
    "comment",
    ["[ADU/e-] gain", "Conversion from electrons to ADU", "ADU per electron", "counts/electron"],
)
def test_a_gain_in_adu_per_electron_is_inverted_and_noted(comment: str) -> None:
    value, notes = gain(comment, GAIN=1.6)
    assert value == 0.625
    assert "detector.gain_e_per_adu" in notes


@pytest.mark.parametrize(
    "comment",
    ["[e-/ADU] gain", "Conversion from ADUs to electrons", "electrons per ADU", "e/count", ""],
)
def test_a_gain_in_electrons_per_adu_is_taken_as_it_is(comment: str) -> None:
    assert gain(comment, GAIN=1.6) == (1.6, "")


def test_a_setting_is_no_gain() -> None:
    value, notes = gain("gain setting of the camera", GAIN=5)
    assert value == 1
    assert "setting" in notes


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        *((unit, 60) for unit in ("ELECTRONS/S", "electron / s", "e-/sec", "e- s-1")),
        *((unit, 120) for unit in ("adu/s", "counts s**-1")),
        *(("ELECTRONS", 1), ("adu", 2), ("MJy/sr", 2)),
    ],
)
def test_pixels_per_second_become_electrons_by_the_exposure_time(
    unit: str, expected: float
) -> None:
    value, notes = gain(BUNIT=unit, GAIN=2.0)
    assert value == expected
    assert ("multiplied by the exposure time" in notes) == (expected >= 60)
