"""Nights: dates of the local evening."""

from __future__ import annotations

import datetime as dt
import math

import pytest
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from astrid_assets.surveys.night import night_of_mjd
from astrid_assets.surveys.profile import NightDating

MJD = st.floats(41500, 61000)  # 1972 to 2025: astropy knows the leap seconds


def mjd_of(utc: str) -> float:
    """Return the modified Julian date as astropy gives it."""
    return float(str(Time(utc).mjd))


@given(mjd=MJD)
def test_without_a_place_the_night_is_the_utc_date(mjd: float) -> None:
    # Floor, because text is rounded to milliseconds.
    date = Time(math.floor(mjd), format="mjd").isot[:10]
    assert night_of_mjd(mjd, NightDating()) == date


@given(
    day=st.integers(40000, 70000),
    part=st.integers(0, 95),
    longitude=st.integers(-180, 360),
)
def test_one_day_later_is_one_night_later(day: int, part: int, longitude: int) -> None:
    night = NightDating(longitude_deg=longitude)
    today = dt.date.fromisoformat(night_of_mjd(day + (part + 0.5) / 96, night))
    tomorrow = dt.date.fromisoformat(night_of_mjd(day + 1 + (part + 0.5) / 96, night))
    assert tomorrow - today == dt.timedelta(days=1)


@given(longitude=st.floats(-180, 180), hours_after_noon=st.floats(0.1, 23.9))
def test_a_night_runs_from_local_noon_to_local_noon(
    longitude: float, hours_after_noon: float
) -> None:
    # Local noon of 2 March 2025 in UTC, by the sun: independent of the code's formula.
    noon = mjd_of("2025-03-02T12:00:00") - longitude / 360
    observed = noon + hours_after_noon / 24
    assert night_of_mjd(observed, NightDating(longitude_deg=longitude)) == "2025-03-02"


@pytest.mark.parametrize(
    ("place", "longitude", "utc", "night"),
    [
        ("CTIO after UTC midnight", -70.8, "2015-09-23T00:30:00", "2015-09-22"),
        ("CTIO counted eastwards", 289.2, "2015-09-23T00:30:00", "2015-09-22"),
        ("Siding Spring", 149.1, "2015-09-22T15:00:00", "2015-09-22"),
        ("Mauna Kea", -155.5, "2015-09-22T10:00:00", "2015-09-21"),
        ("Sutherland before midnight", 20.8, "2015-09-22T21:00:00", "2015-09-22"),
        ("Sutherland after midnight", 20.8, "2015-09-23T02:00:00", "2015-09-22"),
    ],
)
def test_the_night_is_named_after_the_local_evening(
    place: str, longitude: float, utc: str, night: str
) -> None:
    assert night_of_mjd(mjd_of(utc), NightDating(longitude_deg=longitude)) == night, place


def test_a_stated_shift_outranks_the_longitude() -> None:
    night = NightDating(utc_shift_hours=0, longitude_deg=-155)
    assert night_of_mjd(mjd_of("2025-03-02T00:30:00"), night) == "2025-03-02"
