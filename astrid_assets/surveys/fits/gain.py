"""Gain and read noise of an image, by profile, header and the unit of its pixels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astrid_assets.surveys.fits.headers import HeaderView
    from astrid_assets.surveys.profile import SurveyProfile

MIN_GAIN, MAX_GAIN = 0.02, 30.0
"""Electrons per ADU: CMOS cameras go down to 0.05, no CCD is above 25. Numbers
outside are settings of a camera, or placeholders."""
MAX_READ_NOISE_E = 300.0
PER_SECOND = re.compile(r"(/|\bper)\s*\(?s(ec(ond)?)?\b|\bs(ec)?\s*(\*\*|\^)?\s*\(?-1")
ADU_PER_ELECTRON = re.compile(
    r"\b(adus?|dn|counts?)\s*(/|per)\s*(e\b|e-|electron)|\belectrons?\s*(to|->)\s*(adu|dn|count)",
    re.IGNORECASE,
)
"""In a comment: the number is the inverse of the gain, as ESO writes its GAIN beside CONAD."""
SETTING = re.compile(r"\bsettings?\b|\bdB\b|\bindex\b", re.IGNORECASE)


def gain_e_per_adu(
    header: HeaderView, profile: SurveyProfile, exposure_s: float, notes: list[str]
) -> float:
    """Return the electrons of one unit of the pixels; 1 with a note where it is unknown.

    Pixels in a unit per second are multiplied by the exposure time. What is concluded
    from a unit or a comment is noted; `detector.gain_e_per_adu` of the profile overrides.
    """
    if profile.detector.gain_e_per_adu is not None:
        return profile.detector.gain_e_per_adu
    unit = (header.text("BUNIT") or "").lower()
    seconds = exposure_s if PER_SECOND.search(unit) and exposure_s > 0 else 1.0
    if seconds != 1:
        notes.append(
            f"BUNIT = {unit!r}: the pixels are multiplied by the exposure time of {seconds:g} s; "
            "if that is wrong, give detector.gain_e_per_adu"
        )
    if unit.startswith(("electron", "e-", "e/")):
        notes.append(f"BUNIT = {unit!r}: the pixels are electrons already")
        return seconds
    for keyword in profile.keywords.gain:
        value = _stated_gain(header, keyword, notes)
        if value is not None:
            return value * seconds
    # Nothing is lost but the meaning of "electron": the variance of processed
    # frames is anchored to the measured noise of the sky.
    notes.append("no usable gain: 1 electron per ADU; give detector.gain_e_per_adu")
    return seconds


def read_noise_e(header: HeaderView, profile: SurveyProfile, notes: list[str]) -> float:
    """Return the read noise in electrons per pixel; 0 with a note where it is unknown."""
    if profile.detector.read_noise_e is not None:
        return profile.detector.read_noise_e
    for keyword in profile.keywords.read_noise:
        value = header.number(keyword)
        if value is not None and 0 <= value <= MAX_READ_NOISE_E:
            return value
        if value is not None:
            notes.append(f"{keyword} = {value:g} is no read noise in electrons")
    notes.append("no read noise: 0 electrons; give detector.read_noise_e")
    return 0.0


def _stated_gain(header: HeaderView, keyword: str, notes: list[str]) -> float | None:
    value = header.number(keyword)
    if value is None:
        return None
    comment = header.comment(keyword)
    if SETTING.search(comment):
        notes.append(f"{keyword} = {value:g} is a setting by its comment, {comment!r}: no gain")
        return None
    if value > 0 and ADU_PER_ELECTRON.search(comment):
        notes.append(
            f"{keyword} = {value:g} is in ADU per electron by its comment, {comment!r}: a gain of "
            f"{1 / value:.4g} electrons per ADU; if that is wrong, give detector.gain_e_per_adu"
        )
        value = 1 / value
    if MIN_GAIN <= value <= MAX_GAIN:
        return value
    notes.append(f"{keyword} = {value:g} is no gain in electrons per ADU")
    return None
