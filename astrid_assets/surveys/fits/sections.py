"""Sections such as ``[17:528,1:520]``: overscan to subtract, area to keep.

FITS counts pixels from 1 and includes both ends; arrays do neither. A star means a
whole axis, and a step of 1 changes nothing. Ends in reverse order mean the same pixels:
detector files write them where an amplifier reads towards lower coordinates, and the
image is left as it is in the file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from astrid_assets.science.calibration.overscan import (
    Amplifier,
    Slices,
    Trimmed,
    assembled,
    without_overscan,
)
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.reasons import ReasonCode

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image
    from astrid_assets.surveys.fits.headers import HeaderView
    from astrid_assets.surveys.profile import Detector

AXIS = r"\s*(?:\*|(\d+)\s*:\s*(\d+)(?:\s*:\s*[+-]?1)?)\s*"
SECTION = re.compile(rf"\[?{AXIS},{AXIS}\]?")


def section(
    setting: str | None, keyword: str, header: HeaderView, shape: tuple[int, int]
) -> Slices | None:
    """Return the part of the array a profile's setting means, or None if unset.

    Raises
    ------
    FrameRejected
        ``bad_section`` if it cannot be read or lies outside the image.
    """
    if setting is None:
        return None
    text = (header.text(keyword) or "") if setting == "header" else setting
    source = f"{keyword} = {text!r}" if setting == "header" else f"section {text!r}"
    return _slices(text, source, shape)


def without_sections(
    data: Image, header: HeaderView, detector: Detector, gain_e_per_adu: float
) -> Trimmed:
    """Subtract the overscan and cut the image as the profile says.

    Raises
    ------
    FrameRejected
        ``bad_section`` if a section cannot be used.
    """
    shape = (data.shape[0], data.shape[1])
    model = detector.overscan_model
    if not detector.amplifiers:
        overscan = section(detector.overscan, "BIASSEC", header, shape)
        trim = section(detector.trim, "TRIMSEC", header, shape)
        return without_overscan(data, overscan, trim, model)
    amplifiers = [
        Amplifier(
            _slices(entry.data, f"amplifier section {entry.data!r}", shape),
            section(entry.overscan, "BIASSEC", header, shape),
            entry.gain_e_per_adu,
        )
        for entry in detector.amplifiers
    ]
    return assembled(data, amplifiers, gain_e_per_adu, model)


def _slices(text: str, source: str, shape: tuple[int, int]) -> Slices:
    found = SECTION.fullmatch(text.strip())
    if not found:
        raise FrameRejected(
            ReasonCode.BAD_SECTION,
            f"{source} is no section like [1:16,1:520]; correct detector.trim and "
            "detector.overscan in the profile",
        )
    ny, nx = shape
    x1, x2 = _ends(found.group(1), found.group(2), nx)
    y1, y2 = _ends(found.group(3), found.group(4), ny)
    if not (1 <= x1 <= x2 <= nx and 1 <= y1 <= y2 <= ny):
        raise FrameRejected(
            ReasonCode.BAD_SECTION,
            f"{source} does not lie inside the image of {nx} x {ny} pixels; if the "
            "frames are trimmed already, leave detector.trim and detector.overscan "
            "out of the profile",
        )
    return slice(y1 - 1, y2), slice(x1 - 1, x2)


def _ends(first: str | None, last: str | None, length: int) -> tuple[int, int]:
    """Return the ends of one axis in ascending order; a star is the whole axis."""
    if first is None or last is None:
        return 1, length
    low, high = sorted((int(first), int(last)))
    return low, high
