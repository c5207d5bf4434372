"""Numbers and bits in the words reviewers use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.science.detection.apertures import RADIUS_FWHM
from astrid_assets.science.mask_bits import MaskBit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from astrid_assets.web.views.facts import DetectionFacts

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
    """Return what is stated about the pixels, then of the frame and its difference."""
    pixels = [words for bit, words in BIT_WORDS.items() if mask_bits & bit]
    return pixels + [str(flag.get("message") or flag.get("code")) for flag in flags]


def facts_in_words(fact: DetectionFacts) -> list[tuple[str, str]]:
    """Return what was measured as (name, value) for reviewers."""
    change = "brighter" if fact.snr >= 0 else "fainter"
    mag = "no zero point"
    if fact.mag is not None:
        err = "" if fact.mag_err is None else f" ± {fact.mag_err:.2f}"
        mag = f"{fact.mag:.2f}{err} (difference)"
    rows = [
        ("Name", fact.name or "none, for want of coordinates"),
        ("S/N", f"{fact.snr:+.1f} σ, {change} than the reference"),
        ("Magnitude", mag),
        ("Flux", _flux(fact)),
        ("FWHM", _fwhm(fact)),
        ("Nearest reference source", _neighbour(fact)),
        ("Known objects", fact.known_objects),
        ("Position", fact.position or "no coordinates"),
        ("Taken", _taken(fact)),
        ("Survey", " · ".join(filter(None, (fact.survey, fact.field, fact.band)))),
    ]
    if fact.limiting_mag is not None:
        rows.insert(3, ("Limit (5 σ)", f"{fact.limiting_mag:.2f}"))
    return rows


def _taken(fact: DetectionFacts) -> str:
    if fact.observed_at is None:
        return "at an unknown time"
    text = f"{fact.observed_at:%Y-%m-%d %H:%M:%S} UTC"
    return text if fact.exposure_s is None else f"{text}, {fact.exposure_s:g} s"


def _flux(fact: DetectionFacts) -> str:
    text = f"{fact.flux_e:.0f} ± {fact.flux_err_e:.0f} electrons by the PSF"
    if fact.aperture_flux_e is None or fact.aperture_flux_err_e is None:
        return text
    by_sum = f"{fact.aperture_flux_e:.0f} ± {fact.aperture_flux_err_e:.0f}"
    return f"{text}, {by_sum} within {RADIUS_FWHM:g} FWHM"


def _fwhm(fact: DetectionFacts) -> str:
    stars = "stars not measured"
    if fact.frame_fwhm_px is not None:
        stars = f"stars have {fact.frame_fwhm_px:.1f} px"
    if fact.fwhm_px is None:
        return f"not measurable; {stars}"
    if fact.fwhm_ratio is None:
        return f"{fact.fwhm_px:.1f} px; {stars}"
    text = f"{fact.fwhm_px:.1f} px, {fact.fwhm_ratio:.2f} × that of stars"
    if fact.elongation is None:
        return text
    return f"{text}; elongation {fact.elongation:.2f}"


def _neighbour(fact: DetectionFacts) -> str:
    found = fact.neighbour
    if not fact.has_difference:
        return "not known: the reference itself is not kept"
    if found is None:
        return "none found nearby"
    text = f"{found.distance_px:.1f} px away"
    if found.distance_arcsec is not None:
        text = f"{found.distance_arcsec:.1f}″ away ({found.distance_px:.1f} px)"
    return text if found.mag is None else f"{text}, {found.mag:.1f} mag"


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
