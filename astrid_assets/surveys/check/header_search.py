"""Finding things in headers that a profile does not name yet.

Used for suggestions only: a person reads them before they count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from astrid_assets.science.astrometry.angles import angle_deg
from astrid_assets.science.astrometry.distortion import fk5_to_icrs
from astrid_assets.surveys.fits.gain import MAX_GAIN, MAX_READ_NOISE_E, MIN_GAIN
from astrid_assets.surveys.fits.header_wcs import MAX_EQUINOX, MIN_EQUINOX
from astrid_assets.surveys.fits.headers import HeaderView
from astrid_assets.surveys.fits.image_kind import kind_by_words
from astrid_assets.surveys.fits.times import parse_moment

ARCSEC_PER_RADIAN = 206_264.806
POINTINGS = (
    ("RA_OBS", "DEC_OBS"),
    ("OBJCTRA", "OBJCTDEC"),
    ("RA", "DEC"),
    ("TELRA", "TELDEC"),
    ("CRVAL1", "CRVAL2"),
)
SCALES = ("PIXSCALE", "PIXSCAL1", "PIXSCAL", "SECPIX", "SECPIX1", "SCALE", "IM_SCALE")
PATIENCE = 30
"""Alternatives looked for in so many headers; they repeat."""

Test = Callable[[HeaderView, str], bool]


@dataclass(frozen=True)
class Role:
    """What a keyword is for: which names are likely, and which values make sense."""

    likely: re.Pattern[str]
    makes_sense: Test


def _between(low: float, high: float) -> Test:
    def test(header: HeaderView, keyword: str) -> bool:
        value = header.number(keyword)
        return value is not None and low <= value <= high

    return test


def _is_date(header: HeaderView, keyword: str) -> bool:
    return parse_moment(keyword, header.text(keyword) or "") is not None


def _is_band(header: HeaderView, keyword: str) -> bool:
    text = header.text(keyword)
    return text is not None and 0 < len(text) <= 40


def _is_kind(header: HeaderView, keyword: str) -> bool:
    return kind_by_words(header.text(keyword) or "") is not None


ROLES = {
    "date_obs": Role(
        re.compile(r"^(DATE[-_]?(OBS|BEG|STR)\w*|\w*MJD\w*|JD\w*|EXPSTART)$"), _is_date
    ),
    "exposure_s": Role(
        re.compile(r"^(\w*EXP(OSURE|TIME|_TIME)?|ITIME|EXPREQ)$"), _between(1e-4, 1e5)
    ),
    "band": Role(re.compile(r"^(\w*FILT\w*|.*FILT\S* NAME|\w*BAND)$"), _is_band),
    "gain": Role(
        re.compile(r"^(CCDGAIN\w*|GAIN\w*|EGAIN\w*|ATODGAIN|T_GAIN1|.* GAIN)$"),
        _between(MIN_GAIN, MAX_GAIN),
    ),
    "read_noise": Role(
        re.compile(r"^(RDNOIS\w*|READNOI\w*|CCDRON\w*|RON\w*|.* RON)$"),
        _between(0.1, MAX_READ_NOISE_E),
    ),
    "saturation": Role(re.compile(r"^(SATUR\w*|.* SATUR)$"), _between(1.0, 1e9)),
    "image_type": Role(re.compile(r"^(\w*TYP\w*|FRAME\w*|.* TYPE)$"), _is_kind),
}


def alternatives(role: str, headers: Sequence[HeaderView]) -> list[str]:
    """Return keywords that could play a role, the most frequent first."""
    wanted = ROLES[role]
    votes: Counter[str] = Counter()
    for header in headers[:PATIENCE]:
        votes.update(
            keyword
            for keyword in header.keywords()
            if wanted.likely.match(keyword) and wanted.makes_sense(header, keyword)
        )
    enough = max(1, min(len(headers), PATIENCE) // 2)
    ranked = sorted(votes.items(), key=lambda vote: (-vote[1], _rank(vote[0])))
    return [keyword for keyword, count in ranked if count >= enough][:4]


def _rank(keyword: str) -> tuple[bool, int, str]:
    # A name says more than a number or position of a filter wheel.
    return "NAME" not in keyword, len(keyword), keyword


def pointing(header: HeaderView) -> tuple[float, float] | None:
    """Return where the header says the telescope looked, in degrees, or None."""
    for ra_keyword, dec_keyword in POINTINGS:
        ra = angle_deg(header.text(ra_keyword) or "", is_ra=True)
        dec = angle_deg(header.text(dec_keyword) or "", is_ra=False)
        if ra is not None and dec is not None:
            return _in_icrs(header, ra, dec)
    return None


def _in_icrs(header: HeaderView, ra_deg: float, dec_deg: float) -> tuple[float, float]:
    """Precess a pointing of date, as mounts write it."""
    year = header.number("EQUINOX")
    is_icrs = (header.text("RADESYS") or "").strip().upper() == "ICRS"
    if year is None or year == 2000 or is_icrs or not MIN_EQUINOX <= year <= MAX_EQUINOX:
        return ra_deg, dec_deg
    ra, dec = fk5_to_icrs(year)(np.array([[ra_deg, dec_deg]]))[0]
    return float(ra), float(dec)


def pixel_scale(header: HeaderView) -> float | None:
    """Return the pixel scale that the header states or implies (arcsec), or None."""
    stated = header.first_number(SCALES)
    if stated is not None and 0 < stated[1] <= 120:
        return stated[1]
    pixel_um, focal_mm = header.number("XPIXSZ"), header.number("FOCALLEN")
    if not pixel_um or not focal_mm or focal_mm < 10:  # 1 is a placeholder
        return None
    scale = pixel_um * 1e-3 / focal_mm * ARCSEC_PER_RADIAN
    return scale if 0 < scale <= 120 else None
