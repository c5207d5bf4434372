"""Where a header says the telescope looked."""

from __future__ import annotations

from typing import Any

import pytest
from astropy.coordinates import FK5, SkyCoord
from astropy.time import Time

from astrid_assets.surveys.check.header_search import pointing
from astrid_assets.surveys.fits.headers import HeaderView
from astrid_assets_tests.surveys.fits_files import header_of

CARDS = {"OBJCTRA": "10 01 17.5", "OBJCTDEC": "+02 04 36"}


def test_a_pointing_of_date_is_precessed() -> None:
    found = pointing(HeaderView(header_of({**CARDS, "EQUINOX": 2025.2})))
    frame = FK5(equinox=Time(2025.2, format="jyear"))
    true: Any = SkyCoord("10h01m17.5s", "+02d04m36s", frame=frame)
    assert found == pytest.approx((true.icrs.ra.deg, true.icrs.dec.deg), abs=1e-6)


@pytest.mark.parametrize("cards", [{}, {"EQUINOX": 2000.0}, {"RADESYS": "ICRS", "EQUINOX": 2025.2}])
def test_a_pointing_without_another_equinox_stays(cards: dict[str, object]) -> None:
    found = pointing(HeaderView(header_of({**CARDS, **cards})))
    assert found == pytest.approx((150.322917, 2.076667), abs=1e-5)
