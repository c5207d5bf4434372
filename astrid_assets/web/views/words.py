"""Numbers and bits in the words people use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.science.mask_bits import MaskBit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BIT_WORDS = {
    MaskBit.BAD: "bad detector pixels",
    MaskBit.SATURATED: "saturated pixels",
    MaskBit.COSMIC_RAY: "a cosmic ray was cleaned here",
    MaskBit.TRAIL: "a satellite trail",
    MaskBit.HALO: "in the halo of a bright star",
    MaskBit.EDGE: "close to the edge of the frame",
    MaskBit.NO_DATA: "pixels without data",
    MaskBit.INTERPOLATED: "interpolated pixels",
    MaskBit.HOT: "hot pixels",
    MaskBit.SPIKE: "on a diffraction spike",
    MaskBit.BLEEDING: "charge bled along the columns",
}


def flags_in_words(mask_bits: int, flags: Iterable[Mapping[str, object]]) -> list[str]:
    """Return what is said of the pixels, then of the frame and its difference."""
    pixels = [words for bit, words in BIT_WORDS.items() if mask_bits & bit]
    return pixels + [str(flag.get("message") or flag.get("code")) for flag in flags]


def hours(ra_deg: float) -> str:
    """Return a right ascension as 12:34:56.78."""
    return _sexagesimal(ra_deg % 360 / 15, 2, wrap=24)


def degrees(dec_deg: float) -> str:
    """Return a declination as +12:34:56.7."""
    return ("-" if dec_deg < 0 else "+") + _sexagesimal(abs(dec_deg), 1)


def _sexagesimal(value: float, places: int, wrap: int | None = None) -> str:
    units = round(value * 3600 * 10**places)
    minutes, fraction = divmod(units, 60 * 10**places)
    whole, minutes = divmod(minutes, 60)
    if wrap is not None:
        whole %= wrap
    seconds = fraction / 10**places
    return f"{whole:02d}:{minutes:02d}:{seconds:0{places + 3}.{places}f}"
