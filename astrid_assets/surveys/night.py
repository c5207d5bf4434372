"""Nights: which date a moment belongs to.

A night is named after the date of its local evening, so one night of observing
stays one partition; without a longitude or a shift it is simply the UTC date.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astrid_assets.surveys.profile import NightDating

MJD_ZERO = dt.date(1858, 11, 17)
HOURS_PER_DEGREE = 1 / 15


def night_of_mjd(mjd_mid: float, night: NightDating) -> str:
    """Return the night of a mid-exposure time; one day later is one night later.

    Parameters
    ----------
    mjd_mid : days, UTC
    night
        How the survey dates its nights.

    Returns
    -------
    night : YYYY-MM-DD
    """
    shifted = mjd_mid + utc_shift_hours(night) / 24
    return (MJD_ZERO + dt.timedelta(days=math.floor(shifted))).isoformat()


def utc_shift_hours(night: NightDating) -> float:
    """Return the hours added to UTC before the date is read off."""
    if night.utc_shift_hours is not None:
        return night.utc_shift_hours
    if night.longitude_deg is None:
        return 0.0
    # 289 degrees east is 71 degrees west: the same longitude, and the same evening.
    east = night.longitude_deg - 360 * (night.longitude_deg > 180)
    return east * HOURS_PER_DEGREE - 12
