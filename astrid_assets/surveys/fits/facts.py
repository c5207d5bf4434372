"""What the header of one image says, checked as far as a header can be.

`image_facts` returns either facts that a frame can be ingested with, or a
rejection with whatever is known beside its reason. Pixels are not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.science.errors import FrameRejected, Reason
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.surveys.fits.gain import gain_e_per_adu, read_noise_e
from astrid_assets.surveys.fits.hdu import axes_in_words
from astrid_assets.surveys.fits.image_kind import Kind, kind_of
from astrid_assets.surveys.fits.saturation import stated_saturation
from astrid_assets.surveys.fits.setup import DetectorSetup, detector_setup
from astrid_assets.surveys.fits.times import start_of_exposure
from astrid_assets.surveys.night import night_of_mjd

if TYPE_CHECKING:
    from astrid_assets.surveys.fits.hdu import Hdu
    from astrid_assets.surveys.fits.headers import HeaderView
    from astrid_assets.surveys.profile import SurveyProfile

MIN_SIDE_PX = 32
MAX_SIDE_PX = 2**31 - 1
"""Longest axis that a column of the catalogue holds."""
MAX_EXPOSURE_S = 1e6  # the deepest stacks sum up eleven days
ONE_FIELD = "all"
NO_BAND = "unknown"
BAND_CHARS, FIELD_CHARS = 40, 80
SECONDS = {"d": 86400.0, "h": 3600.0, "min": 60.0, "ms": 1e-3}
MOSAICS = frozenset({"RGGB", "BGGR", "GRBG", "GBRG"})


@dataclass(frozen=True, kw_only=True)
class ImageFacts(DetectorSetup):
    """What is known of one image of a file that can be used.

    Attributes
    ----------
    hdu
        Index of the HDU in the (unpacked) file.
    field, band
        ``all`` when the survey is one field; the band of a bias or dark is ``""``,
        that of a light frame without any filter keyword ``unknown``.
    observed_mjd : days, UTC, mid-exposure
    night : YYYY-MM-DD
    saturation_adu : ADU, infinite when neither header nor number type limits it
    notes
        Odd things that were survivable, one sentence each.
    """

    hdu: int
    kind: Kind
    field: str
    band: str
    observed_mjd: float
    exposure_s: float
    night: str
    width: int
    height: int
    gain_e_per_adu: float
    read_noise_e: float
    saturation_adu: float
    has_wcs: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DoorRejection(DetectorSetup):
    """Why an image, or a whole file (`hdu` -1), cannot be used; and what is known.

    `night` is ``""`` when the frame cannot be dated.
    """

    hdu: int
    reason: Reason
    night: str = ""
    kind: Kind = "unknown"
    field: str = ""
    band: str = ""
    observed_mjd: float | None = None
    exposure_s: float | None = None
    width: int | None = None
    height: int | None = None
    notes: tuple[str, ...] = ()


def image_facts(
    hdu: Hdu,
    header: HeaderView,
    path: str,
    profile: SurveyProfile,
    *,
    has_wcs: bool,
    notes: list[str],
) -> ImageFacts | DoorRejection:
    """Collect what the header says; the first thing that forbids use is the reason."""
    problems: list[Reason | None] = [_shape_problem(hdu, profile)]
    kind = kind_of(path, header, profile.keywords, profile.calibration, notes)
    exposure_s, no_exposure = _exposure(header, kind, profile, notes)
    mjd, no_date = _observed(header, exposure_s, profile, notes)
    problems += [_mosaic_problem(header, profile), no_date, no_exposure, _cut_off(hdu)]
    night = "" if mjd is None else night_of_mjd(mjd, profile.night)
    band = _band(header, kind, profile, notes)
    field = _field(header, profile, notes)
    setup = vars(detector_setup(header, profile.keywords, notes))
    height, width = hdu.shape[-2:] if len(hdu.shape) >= 2 else (None, None)
    reason = next((problem for problem in problems if problem is not None), None)
    if reason or mjd is None or exposure_s is None or height is None or width is None:
        return DoorRejection(
            hdu=hdu.index,
            reason=reason or Reason(ReasonCode.UNREADABLE, "the header is not usable"),
            night=night,
            kind=kind,
            field=field,
            band=band,
            observed_mjd=mjd,
            exposure_s=exposure_s,
            width=_countable(width),
            height=_countable(height),
            notes=_once(notes),
            **setup,
        )
    gain = gain_e_per_adu(header, profile, exposure_s, notes)
    read_noise = read_noise_e(header, profile, notes)
    saturation = stated_saturation(hdu, header, profile, notes)
    return ImageFacts(
        hdu=hdu.index,
        kind=kind,
        field=field,
        band=band,
        observed_mjd=mjd,
        exposure_s=exposure_s,
        night=night,
        width=width,
        height=height,
        gain_e_per_adu=gain,
        read_noise_e=read_noise,
        saturation_adu=saturation,
        has_wcs=has_wcs,
        notes=_once(notes),
        **setup,
    )


def is_two_dimensional(hdu: Hdu) -> bool:
    """Return whether the array is an image, apart from axes of length 1."""
    return len(hdu.shape) >= 2 and all(length == 1 for length in hdu.shape[:-2])


def _countable(side: int | None) -> int | None:
    """Return a length that the catalogue can hold; what is longer is in the reason."""
    return side if side is None or side <= MAX_SIDE_PX else None


def _shape_problem(hdu: Hdu, profile: SurveyProfile) -> Reason | None:
    sides = axes_in_words(hdu.shape)
    if not is_two_dimensional(hdu):
        return Reason(
            ReasonCode.NOT_2D,
            f"the image has the axes {sides or 'none'}, not two; split colour images "
            "and cubes into one file per plane",
        )
    height, width = hdu.shape[-2:]
    if min(height, width) < MIN_SIDE_PX:
        return Reason(
            ReasonCode.TOO_SMALL,
            f"the image is {sides} pixels; at least {MIN_SIDE_PX} a side are needed",
            {"width": width, "height": height},
        )
    limit = profile.detector.max_megapixels * 1e6
    if height * width > limit:
        return Reason(
            ReasonCode.TOO_LARGE,
            f"the header promises {sides} pixels, more than the limit of "
            f"{limit / 1e6:g} megapixels; if that is right, raise "
            "detector.max_megapixels in the profile",
            {"pixels": float(height * width), "limit": limit},
        )
    return None


def _cut_off(hdu: Hdu) -> Reason | None:
    if not hdu.missing_bytes:
        return None
    present = max(0, hdu.data_bytes - hdu.missing_bytes)
    return Reason(
        ReasonCode.TRUNCATED,
        f"the file is cut off: {present} of {hdu.data_bytes} bytes of pixels are "
        "there; copy it again",
        {"bytes_present": present, "bytes_expected": hdu.data_bytes},
    )


def _mosaic_problem(header: HeaderView, profile: SurveyProfile) -> Reason | None:
    for keyword in ("BAYERPAT", "BAYER", "CFA", "COLORTYP", *profile.keywords.band):
        value = (header.text(keyword) or "").strip().upper()
        if value in MOSAICS:
            return Reason(
                ReasonCode.COLOUR_MOSAIC,
                f"the pixels are a colour mosaic ({keyword} = {value}): neighbours see "
                "different bands; extract one colour before AstrID sees the file",
            )
    return None


def _exposure(
    header: HeaderView, kind: Kind, profile: SurveyProfile, notes: list[str]
) -> tuple[float | None, Reason | None]:
    names = ", ".join(profile.keywords.exposure_s)
    found = header.first_number(profile.keywords.exposure_s)
    if found is None:
        if profile.detector.exposure_s is not None:
            return profile.detector.exposure_s, None
        if kind == "bias":
            return 0.0, None
        return None, Reason(
            ReasonCode.NO_EXPOSURE,
            f"no exposure time: none of {names} has a number; name the right keyword "
            "(keywords.exposure_s) or give detector.exposure_s in the profile",
        )
    keyword, value = found
    unit = header.unit(keyword)
    if not unit and keyword in ("EXPOSURE", "XPOSURE", "TELAPSE"):
        # These three are in the header's own time unit (FITS standard 4.0, 9.4).
        unit = header.text("TIMEUNIT") or ""
    if unit in SECONDS:
        value *= SECONDS[unit]
        notes.append(f"{keyword} is in [{unit}]: {value:g} s")
    is_too_short = value < 0 or (value == 0 and kind not in ("bias", "dark"))
    if is_too_short or value > MAX_EXPOSURE_S:
        return None, Reason(
            ReasonCode.NO_EXPOSURE,
            f"{keyword} = {value:g} s is no exposure time of a {kind} frame; correct "
            "the header or name another keyword (keywords.exposure_s)",
            {"exposure_s": value},
        )
    return value, None


def _observed(
    header: HeaderView,
    exposure_s: float | None,
    profile: SurveyProfile,
    notes: list[str],
) -> tuple[float | None, Reason | None]:
    why: list[str] = []
    moment = start_of_exposure(header, profile.keywords, why)
    if moment is None:
        names = ", ".join(profile.keywords.date_obs)
        detail = f" ({'; '.join(why)})" if why else ""
        return None, Reason(
            ReasonCode.NO_DATE,
            f"the frame cannot be dated: none of {names} gives date and time{detail}; "
            "name the right keywords (keywords.date_obs, keywords.time_obs)",
        )
    notes.extend(why)
    half = {"start": 0.5, "middle": 0.0, "end": -0.5}[profile.detector.date_is]
    return moment + half * (exposure_s or 0.0) / 86400, None


def _band(header: HeaderView, kind: Kind, profile: SurveyProfile, notes: list[str]) -> str:
    if kind in ("bias", "dark"):
        return ""
    for keyword in profile.keywords.band:
        text = header.text(keyword)
        if text:
            return _shortened(text, BAND_CHARS, keyword, notes)
    if profile.detector.band:
        return profile.detector.band
    notes.append("no filter keyword: give keywords.band or detector.band in the profile")
    return NO_BAND


def _field(header: HeaderView, profile: SurveyProfile, notes: list[str]) -> str:
    if not profile.keywords.field:
        return ONE_FIELD
    for keyword in profile.keywords.field:
        text = header.text(keyword)
        if text:
            return _shortened(text, FIELD_CHARS, keyword, notes)
    notes.append(f"none of {', '.join(profile.keywords.field)} names the field")
    return ONE_FIELD


def _shortened(text: str, limit: int, keyword: str, notes: list[str]) -> str:
    clean = " ".join(text.split())
    if len(clean) > limit:
        notes.append(f"{keyword} is longer than {limit} characters and was cut")
    return clean[:limit].rstrip()


def _once(notes: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(notes))


def must_be_facts(found: ImageFacts | DoorRejection) -> ImageFacts:
    """Return the facts, or raise the rejection as `FrameRejected`."""
    if isinstance(found, DoorRejection):
        reason = found.reason
        raise FrameRejected(reason.code, reason.message, **reason.measurements)
    return found
