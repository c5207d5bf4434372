"""Times: what headers write, against astropy's own reading of it."""

from __future__ import annotations

import datetime as dt

import pytest
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from astrid_assets.surveys.fits.headers import HeaderView
from astrid_assets.surveys.fits.times import parse_moment, start_of_exposure
from astrid_assets.surveys.profile import Keywords
from astrid_assets_tests.surveys.fits_files import header_of

SECOND = 1 / 86400
# Before 1972 UTC ran at another rate, and leap seconds to come are not known.
MOMENTS = st.datetimes(dt.datetime(1972, 1, 2), dt.datetime(2026, 1, 1))  # noqa: DTZ001


def start(**cards: object) -> tuple[float | None, list[str]]:
    notes: list[str] = []
    header = header_of({k.replace("_", "-"): v for k, v in cards.items()})
    return start_of_exposure(HeaderView(header), Keywords(), notes), notes


@given(moment=MOMENTS)
def test_an_iso_date_reads_as_astropy_reads_it(moment: dt.datetime) -> None:
    text = moment.isoformat(timespec="milliseconds")
    read = parse_moment("DATE-OBS", text)
    assert read is not None
    # UTC days have 86400 s here; astropy's are longer on days of a leap second.
    assert read.mjd == pytest.approx(Time(text).mjd, abs=1.1 * SECOND)
    assert read.has_clock


@given(moment=MOMENTS, offset_min=st.integers(-14 * 60, 14 * 60))
def test_an_offset_to_utc_is_taken_off(moment: dt.datetime, offset_min: int) -> None:
    zone = dt.timezone(dt.timedelta(minutes=offset_min))
    local = moment.replace(tzinfo=dt.UTC, microsecond=0).astimezone(zone)
    utc = parse_moment("DATE-OBS", moment.replace(microsecond=0).isoformat())
    read = parse_moment("DATE-OBS", local.strftime("%Y-%m-%dT%H:%M:%S%z"))
    assert utc is not None
    assert read is not None
    assert read.mjd == pytest.approx(utc.mjd, abs=1e-8)


@given(mjd=st.floats(20000.01, 80000))
def test_a_julian_date_is_a_modified_one_plus_its_zero(mjd: float) -> None:
    modified, full = (
        parse_moment("MJD", repr(mjd)),
        parse_moment("JD", repr(mjd + 2400000.5)),
    )
    assert modified is not None
    assert full is not None
    assert full.mjd == pytest.approx(modified.mjd, abs=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "26/07/102",
        "2025-13-01",
        "2025-02-30T01:00:00",
        "31/02/99",
        "2025-03-01T25:00:00",
        "1",
        "-5",
        "1e300",
        "nan",
        "inf",
        "1800-01-01T00:00:00",
        "9999-01-01T00:00:00",
        "20250301",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_moment("DATE-OBS", text) is None


@given(text=st.text(max_size=40))
def test_no_text_whatever_raises(text: str) -> None:
    read = parse_moment("DATE-OBS", text)
    assert read is None or 15020 <= read.mjd <= 88069


def test_date_and_time_of_two_keywords_are_joined() -> None:
    mjd, notes = start(DATE_OBS="2013-08-03", UT="18:09:25")
    assert mjd == pytest.approx(Time("2013-08-03T18:09:25").mjd, abs=1e-8)
    assert notes == []


def test_an_old_date_is_of_the_twentieth_century() -> None:
    mjd, _ = start(DATE_OBS="19/05/94", TIME_OBS="15:41:16")
    assert mjd == pytest.approx(Time("1994-05-19T15:41:16").mjd, abs=1e-8)


def test_a_date_without_a_time_of_day_is_no_time() -> None:
    mjd, notes = start(DATE_OBS="2009-10-17")
    assert mjd is None
    assert notes == ["DATE-OBS has a date without a time of day"]


def test_a_broken_date_gives_way_to_the_next_keyword() -> None:
    mjd, notes = start(DATE_OBS="26/07/102", TIME_OBS="19:36:37", JD=2452482.31709)
    assert mjd == pytest.approx(Time("2002-07-26T19:36:36.6").mjd, abs=SECOND)
    assert "26/07/102" in notes[0]


def test_keywords_that_disagree_are_noted_and_the_first_counts() -> None:
    mjd, notes = start(DATE_OBS="2025-03-01T20:00:00", MJD_OBS=Time("2025-03-02T20:00:00").mjd)
    assert mjd == pytest.approx(Time("2025-03-01T20:00:00").mjd, abs=1e-8)
    assert notes == ["MJD-OBS and DATE-OBS differ by 24.00 hours; DATE-OBS is used"]


@pytest.mark.parametrize(
    ("system", "behind_utc_s"),
    [("UTC", 0), ("TAI", 37), ("TT", 69.184), ("TDB", 69.184)],
)
def test_other_time_scales_are_converted(system: str, behind_utc_s: float) -> None:
    mjd, _ = start(DATE_OBS="2025-03-01T20:00:00", TIMESYS=system)
    wanted = float(str(Time("2025-03-01T20:00:00").mjd)) - behind_utc_s * SECOND
    assert mjd == pytest.approx(wanted, abs=0.01 * SECOND)


def test_an_unknown_time_scale_is_noted() -> None:
    _, notes = start(DATE_OBS="2025-03-01T20:00:00", TIMESYS="SUNDIAL")
    assert notes == ["TIMESYS = 'SUNDIAL' is not known; times count as UTC"]


@pytest.mark.parametrize(
    ("date", "clock"),
    [
        ("2025-03-01", " 3: 0: 0.0"),
        ("2025-3-1", "3:00:00"),
        ("2025-03-01", "03:00:00,0"),
        ("2025-03-01", "03:00:00 AM"),
        ("2025-02-28", "27:00:00"),
        ("2025-03-01T03:00:00,000", None),
        ("2025-03-01T 3: 0: 0", None),
        ("2025-02-28T15:00:00 PM", None),
        ("2025-03-01 03:00:00 AM", None),
    ],
)
def test_a_clock_means_the_same_in_every_spelling_or_nothing(date: str, clock: str | None) -> None:
    impossible = "27:" in str(clock) or "15:" in date
    mjd, _ = start(DATE_OBS=date, **({} if clock is None else {"UT": clock}))
    if impossible:
        assert mjd is None
    else:
        assert mjd == pytest.approx(Time("2025-03-01T03:00:00").mjd, abs=1e-8)


def test_the_end_of_a_day_is_the_start_of_the_next() -> None:
    mjd, _ = start(DATE_OBS="2025-02-28T24:00:00")
    assert mjd == pytest.approx(Time("2025-03-01T00:00:00").mjd, abs=1e-8)
    assert parse_moment("DATE-OBS", "2025-02-28T24:00:01") is None


@pytest.mark.parametrize(
    ("value", "unit", "word"),
    [(3.5, "", "hours"), (12600.0, "", "seconds"), (3.5, "h", ""), (12.0, "s", "")],
)
def test_a_number_as_time_of_day_is_hours_or_seconds_and_a_guess_is_noted(
    value: float, unit: str, word: str
) -> None:
    header = header_of({"DATE-OBS": "2025-03-01", "UT": value})
    if unit:
        header.comments["UT"] = f"[{unit}] start of exposure"
    notes: list[str] = []
    mjd = start_of_exposure(HeaderView(header), Keywords(), notes)
    wanted = float(str(Time("2025-03-01").mjd)) + (12 * SECOND if value == 12 else 3.5 / 24)
    assert mjd == pytest.approx(wanted, abs=1e-8)
    assert len(notes) == (1 if word else 0)
    assert all(word in note and "keywords.time_obs" in note for note in notes)


def test_a_small_two_digit_year_is_of_this_century_and_noted() -> None:
    mjd, notes = start(DATE_OBS="01/03/25", UT="03:00:00")
    assert mjd == pytest.approx(Time("2025-03-01T03:00:00").mjd, abs=1e-8)
    assert len(notes) == 1
    assert "2025-03-01" in notes[0]
    assert "keywords.date_obs" in notes[0]
