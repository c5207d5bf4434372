"""How the detector was set up: what bias, dark and flat frames have to agree in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astrid_assets.surveys.fits.headers import HeaderView
    from astrid_assets.surveys.profile import Keywords

CHARS = 80
KELVIN = 273.15
LOWEST_C, HIGHEST_C = -200.0, 60.0
"""Detectors are run between liquid nitrogen and a summer's night."""

LOWEST_K, HIGHEST_K = 70.0, 330.0
TWO_NUMBERS = re.compile(r"(\d+)\s*[x ,]\s*(\d+)")


@dataclass(frozen=True, kw_only=True)
class DetectorSetup:
    """Set-up of the detector; an empty text or None where the header does not say.

    `binning` is written ``2x2`` (x, then y).
    """

    instrument: str = ""
    readout_mode: str = ""
    binning: str = ""
    ccd_temperature_c: float | None = None


def detector_setup(header: HeaderView, keywords: Keywords, notes: list[str]) -> DetectorSetup:
    """Read the set-up from a header; odd temperatures are noted."""
    return DetectorSetup(
        instrument=_text(header, keywords.instrument),
        readout_mode=_text(header, keywords.readout_mode),
        binning=_binning(header, keywords),
        ccd_temperature_c=_temperature(header, keywords, notes),
    )


def _text(header: HeaderView, keywords: tuple[str, ...]) -> str:
    for keyword in keywords:
        text = header.text(keyword)
        if text:
            return " ".join(text.split())[:CHARS].rstrip()
    return ""


def _binning(header: HeaderView, keywords: Keywords) -> str:
    for keyword in keywords.binning:
        pair = TWO_NUMBERS.fullmatch((header.text(keyword) or "").strip())
        if pair:
            return f"{int(pair.group(1))}x{int(pair.group(2))}"
        along_x = header.number(keyword)
        if along_x is None or not 1 <= along_x <= 64:
            continue
        along_y = header.number(keyword.replace("X", "Y", 1)) or along_x
        return f"{along_x:.0f}x{along_y:.0f}"
    return ""


def _temperature(header: HeaderView, keywords: Keywords, notes: list[str]) -> float | None:
    for keyword in keywords.ccd_temperature_c:
        value = header.number(keyword)
        if value is None:
            continue
        if LOWEST_C <= value <= HIGHEST_C:
            return value
        if LOWEST_K <= value <= HIGHEST_K:
            notes.append(f"{keyword} = {value:g} is taken as kelvin")
            return value - KELVIN
        notes.append(f"{keyword} = {value:g} is no temperature of a detector")
    return None
