"""When a frame was taken: dates and times as headers write them, as MJD (UTC).

Read are ISO dates with or without a time and an offset (``Z``, ``-0700``), dates
of the old form ``dd/mm/yy``, and Julian dates, modified or not. Clocks may be padded
with blanks, have a decimal comma, say 24:00:00 or AM and PM. A date without a time of
day is only used together with a keyword that has one: a clock, decimal hours or seconds.
What the header leaves open is decided and noted.
"""

from __future__ import annotations

import datetime as dt
import re
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from astropy.time import Time

if TYPE_CHECKING:
    from astrid_assets.surveys.fits.headers import HeaderView
    from astrid_assets.surveys.profile import Keywords

MJD_ZERO = dt.date(1858, 11, 17).toordinal()
JD_MINUS_MJD = 2_400_000.5
EARLIEST_MJD, LATEST_MJD = 15020.0, 88069.0  # 1900 and 2100
DISAGREEMENT_D = 0.02
"""Half an hour: more than an exposure or a rounded keyword explains."""
SCALES = {"TAI": "tai", "TT": "tt", "TDT": "tt", "ET": "tt", "TDB": "tdb"}
UTC_NAMES = ("UTC", "UT", "UT1", "GMT", "LOCAL UTC", "Z")

PIVOT_YEAR = 49
"""Two-digit years below it are of this century: the form was abolished in 1999, but
programs still write it, and no digitised sky survey is older than November 1949."""
HOURS_A_DAY, SECONDS_A_DAY = 24, 86_400
HOUR_UNITS = ("h", "hr", "hour", "hours")
SECOND_UNITS = ("s", "sec", "second", "seconds")

ISO = re.compile(
    r"(\d{4})\s*[-/]\s*(\d{1,2})\s*[-/]\s*(\d{1,2})"
    r"(?:[T ]\s*(\d{1,2})\s*:\s*(\d{1,2})(?:\s*:\s*(\d{1,2}(?:[.,]\d*)?))?"
    r"\s*([AaPp][Mm])?\s*(Z|UTC?|[+-]\d{2}:?\d{2})?)?"
)
DAY_FIRST = re.compile(r"(\d{1,2})\s*/\s*(\d{1,2})\s*/\s*(\d{4}|\d{2})")
CLOCK = re.compile(
    r"(\d{1,2})\s*:\s*(\d{1,2})\s*:\s*(\d{1,2}(?:[.,]\d*)?)\s*([AaPp][Mm])?\s*(?:Z|UTC?)?"
)


@dataclass(frozen=True)
class Moment:
    """A time read from one keyword: days MJD, and whether it has a time of day.

    `guess` says what the header left open and how it was decided; empty without one.
    """

    keyword: str
    mjd: float
    has_clock: bool
    guess: str = ""


def start_of_exposure(header: HeaderView, keywords: Keywords, notes: list[str]) -> float | None:
    """Return the time the date keywords give (MJD, UTC), or None with notes why.

    The first keyword that has both date and time counts; a second one that
    disagrees by more than half an hour is noted.
    """
    moments: list[Moment] = []
    for keyword in keywords.date_obs:
        text = header.text(keyword)
        if text is None:
            continue
        moment = parse_moment(keyword, text)
        if moment is None:
            notes.append(f"{keyword} = {text[:40]!r} is no date that can be read")
            continue
        moments.append(moment if moment.has_clock else _with_clock(moment, header, keywords))
    timed = [moment for moment in moments if moment.has_clock]
    if not timed:
        notes.extend(f"{moment.keyword} has a date without a time of day" for moment in moments)
        return None
    first = timed[0]
    if first.guess:
        notes.append(first.guess)
    notes.extend(
        f"{other.keyword} and {first.keyword} differ by "
        f"{(other.mjd - first.mjd) * 24:.2f} hours; {first.keyword} is used"
        for other in timed[1:]
        if abs(other.mjd - first.mjd) > DISAGREEMENT_D
    )
    return _utc(first.mjd, header, keywords, notes)


def parse_moment(keyword: str, text: str) -> Moment | None:
    """Read one date; None if the text is no date, or one outside 1900 to 2100."""
    text = text.strip()
    iso = ISO.fullmatch(text)
    if iso:
        year, month, day, hour, minute, second, half, zone = iso.groups()
        mjd = _day(int(year), int(month), int(day))
        clock = 0.0 if hour is None else _clock(hour, minute, second or "0", half)
        if mjd is None or clock is None:
            return None
        return _plausible(keyword, mjd + clock - _offset(zone), hour is not None)
    old = DAY_FIRST.fullmatch(text)
    if old:
        day, month, year = old.groups()
        mjd = _day(_full_year(year), int(month), int(day))
        moment = None if mjd is None else _plausible(keyword, mjd, has_clock=False)
        if moment is None or len(year) == 4 or int(year) >= PIVOT_YEAR:
            return moment
        # The old FITS form means 19yy, but is still written.
        written = f"{_full_year(year)}-{int(month):02d}-{int(day):02d}"
        return replace(
            moment,
            guess=f"{keyword} = {text!r} is read day first and of this century, as {written}; "
            "if that is wrong, name a keyword with a full date (keywords.date_obs)",
        )
    try:
        number = float(text)
    except ValueError:
        return None
    mjd = number - JD_MINUS_MJD if number > JD_MINUS_MJD else number
    # A whole MJD is a date whose time was not written.
    return _plausible(keyword, mjd, mjd != int(mjd)) if abs(mjd) < 1e6 else None


def _plausible(keyword: str, mjd: float, has_clock: bool) -> Moment | None:
    if not EARLIEST_MJD <= mjd <= LATEST_MJD:
        return None
    return Moment(keyword, mjd, has_clock)


def _day(year: int, month: int, day: int) -> float | None:
    try:
        return float(dt.date(year, month, day).toordinal() - MJD_ZERO)
    except ValueError:
        return None


def _full_year(year: str) -> int:
    if len(year) == 4:
        return int(year)
    return int(year) + (2000 if int(year) < PIVOT_YEAR else 1900)


def _clock(hour: str, minute: str, second: str, half: str | None = None) -> float | None:
    """Return the fraction of the day; `half` is AM or PM of a twelve-hour clock."""
    h, m, s = int(hour), int(minute), float(second.replace(",", "."))
    if half:
        if not 1 <= h <= 12:
            return None
        h = h % 12 + (12 if half.upper() == "PM" else 0)
    if h == 24 and m == 0 and s == 0:
        return 1.0
    # 60 is a leap second.
    return (h + m / 60 + s / 3600) / 24 if h < 24 and m < 60 and s < 61 else None


def _offset(zone: str | None) -> float:
    """Return the days a time zone is ahead of UTC."""
    if not zone or zone[0] not in "+-":
        return 0.0
    digits = zone[1:].replace(":", "")
    days = (int(digits[:2]) + int(digits[2:]) / 60) / 24
    return days if zone[0] == "+" else -days


def _with_clock(moment: Moment, header: HeaderView, keywords: Keywords) -> Moment:
    for keyword in keywords.time_obs:
        text = (header.text(keyword) or "").strip()
        clock = CLOCK.fullmatch(text)
        fraction = _clock(*clock.groups()) if clock else None
        if fraction is not None:
            return replace(moment, mjd=moment.mjd + fraction, has_clock=True)
        full = parse_moment(keyword, text) if ISO.fullmatch(text) else None
        if full is not None and full.has_clock:
            return full
        found = _number_as_clock(keyword, text, header.unit(keyword))
        if found is not None:
            fraction, guess = found
            guesses = "; ".join(filter(None, (moment.guess, guess)))
            return replace(moment, mjd=moment.mjd + fraction, has_clock=True, guess=guesses)
    return moment


def _number_as_clock(keyword: str, text: str, unit: str) -> tuple[float, str] | None:
    """Read hours or seconds since midnight; the unit decides, else the size, noted."""
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    if not 0 <= number <= SECONDS_A_DAY:
        return None
    unit = unit.lower()
    if unit in SECOND_UNITS:
        return number / SECONDS_A_DAY, ""
    if unit in HOUR_UNITS:
        return (number / HOURS_A_DAY, "") if number <= HOURS_A_DAY else None
    is_hours = number <= HOURS_A_DAY
    guess = (
        f"{keyword} = {text} has no unit and is read as "
        f"{'hours' if is_hours else 'seconds'} since 0 h; if that is wrong, name another "
        "keyword with the time of day (keywords.time_obs)"
    )
    return number / (HOURS_A_DAY if is_hours else SECONDS_A_DAY), guess


def _utc(mjd: float, header: HeaderView, keywords: Keywords, notes: list[str]) -> float:
    for keyword in keywords.time_system:
        name = (header.text(keyword) or "").strip().upper()
        if name in SCALES:
            with warnings.catch_warnings():
                # Leap seconds of far years are not known; a second matters little.
                warnings.simplefilter("ignore")
                time = Time(Time(mjd, format="mjd", scale=SCALES[name]), scale="utc")
                return float(np.asarray(time.to_value("mjd")))
        if name and name not in UTC_NAMES:
            notes.append(f"{keyword} = {name[:20]!r} is not known; times count as UTC")
    return mjd
