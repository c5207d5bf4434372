"""Angles as people write them."""

from __future__ import annotations

import pytest

from astrid_assets.science.astrometry.angles import angle_deg


@pytest.mark.parametrize(
    ("text", "is_ra", "expected"),
    [
        ("266.5", True, 266.5),
        ("-0.0001", True, 359.9999),
        ("360", True, 0.0),
        ("-1e-17", True, 0.0),
        ("17:45:40", True, 266.416667),
        ("17h45m40.0s", True, 266.416667),
        ("17 45 40", True, 266.416667),
        ("266d25m00s", True, 266.416667),
        ("17:45.5", True, None),
        ("-29:00:28", False, -29.007778),
        ("-00:30:00", False, -0.5),
        ("\u221210d00m39s", False, -10.010833),
        ("+12:30", False, 12.5),
        ("95", False, None),
        ("24:00:00", True, None),
        ("10:61:00", True, None),
        ("10h00m00s", False, None),
        ("nan", True, None),
        ("north", False, None),
    ],
)
def test_an_angle_is_what_was_written(text: str, is_ra: bool, expected: float | None) -> None:
    found = angle_deg(text, is_ra=is_ra)
    assert found == (expected if expected is None else pytest.approx(expected, abs=1e-6))
