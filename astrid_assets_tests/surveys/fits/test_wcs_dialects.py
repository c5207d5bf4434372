"""Every dialect of a WCS puts a frame where astropy puts the full header."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import FK5, SkyCoord
from astropy.io import fits
from astropy.time import Time
from astropy.wcs import WCS

from astrid_assets.science.astrometry.distortion import mapped_wcs
from astrid_assets.science.astrometry.pixel_maps import PixelMap
from astrid_assets.science.astrometry.wcs_tools import moved
from astrid_assets.storage.fits.cards import wcs_from_cards, write_wcs
from astrid_assets.surveys.fits.reader import RawImage, read_image
from astrid_assets_tests.surveys.fits_files import LIGHT, header_of, pixels, survey, to_bytes

SHAPE = (64, 48)
PLACE = {"CRVAL1": 150.0, "CRVAL2": -30.0, "CRPIX1": 3000.0, "CRPIX2": -5000.0}
CD = {"CD1_1": -1e-4, "CD1_2": 1e-6, "CD2_1": 2e-6, "CD2_2": 1.1e-4}
STEPS = {"CDELT1": -1e-4, "CDELT2": 1.1e-4}
SIP = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-6, "B_1_1": -2e-6}
SCAMP = {f"PV{axis}_{term}": value for axis in (1, 2) for term, value in ((1, 1.004), (7, -0.005))}
OLD_PC = {"PC001001": 0.9, "PC001002": 0.1, "PC002001": -0.1, "PC002002": 0.9}
PLATE = {
    "PLTRAH": 14,
    "PLTRAM": 37,
    "PLTRAS": 46.88253,
    "PLTDECSN": "-",
    "PLTDECD": 60,
    "PLTDECM": 12,
    "PLTDECS": 59.28761,
    "PLTSCALE": 67.2,
    "CNPIX1": 8860,
    "CNPIX2": 1708,
    "XPIXELSZ": 25.28445,
    "YPIXELSZ": 25.28445,
    **{f"PPO{term}": 0.0 for term in (1, 2, 4, 5)},
    "PPO3": 176616.98,
    "PPO6": 177193.56,
    **{f"AMD{axis}{term}": 0.0 for axis in "XY" for term in range(4, 21)},
    "AMDX1": 67.226,
    "AMDX2": -0.2302,
    "AMDX3": 1.0901,
    "AMDX8": 2.277e-6,
    "AMDY1": 67.233,
    "AMDY2": 0.2261,
    "AMDY3": -0.5272,
    "AMDY8": 2.2087e-6,
}


def named(code: str, **cards: Any) -> dict[str, Any]:
    return {"CTYPE1": f"RA---{code}", "CTYPE2": f"DEC--{code}", **PLACE, **cards}


DIALECTS = {
    "TAN": named("TAN", **CD),
    "SIP": named("TAN-SIP", **CD, **SIP),
    "SIP without suffix": named("TAN", **CD, **SIP),
    "SIP on ZEA": named("ZEA-SIP", **CD, **SIP),
    "TPV": named("TPV", **CD, **SCAMP),
    "SCAMP's TAN": named("TAN", **CD, **SCAMP),
    "SIP beside PV": named("TAN-SIP", **CD, **SIP, **SCAMP),
    "plate solution": named("TAN", **CD, **PLATE)
    | {"CRVAL1": 217.484, "CRVAL2": -62.685, "CRPIX1": 50.0, "CRPIX2": 50.0},
    "ZPN": named("ZPN", **CD, PV2_1=1.0, PV2_3=42.0),
    "ZPN of 1996": named("ZPN", **CD, PROJP1=1.0, PROJP3=42.0),
    "SIN with terms": named("SIN", **CD, PV2_1=0.01, PV2_2=0.02),
    "CAR": named("CAR", **CD),
    "CAR about a pole of its own": named("CAR", **CD, LONPOLE=160.0, LATPOLE=10.0),
    "STG": named("STG", **CD, LONPOLE=170.0),
    "longitude of the pole as PV": named("TAN", **CD, PV1_3=170.0),
    "PC001001": named("TAN", **STEPS, **OLD_PC),
    "CD001001": named("TAN", **{k.replace("CD", "CD00").replace("_", "00"): CD[k] for k in CD}),
    "CROTA": named("TAN", **STEPS, CROTA2=30.0),
    "CROTA and CD": named("TAN", **CD, CROTA2=30.0),
    "PC and CDELT": named("TAN", **STEPS, PC1_2=0.2, PC2_1=-0.2),
    "arcseconds": named("TAN", CUNIT1="arcsec", CUNIT2="arcsec", CDELT1=-0.36, CDELT2=0.36)
    | {"CRVAL1": 540_000.0, "CRVAL2": -108_000.0},
}


def read(cards: dict[str, Any]) -> RawImage:
    header = header_of({**LIGHT, **cards})
    return read_image(to_bytes(fits.PrimaryHDU(pixels(SHAPE), header)), 0, "a.fits", survey())


def points() -> np.ndarray:
    return np.array([[0.0, 0.0], [47.0, 0.0], [0.0, 63.0], [47.0, 63.0], [20.3, 31.7]])


def astropy_sky(cards: dict[str, Any]) -> np.ndarray:
    """Return where astropy puts the points by a header, (n, 2) degrees."""
    with warnings.catch_warnings(action="ignore"):
        return np.asarray(WCS(header_of(cards)).all_pix2world(points(), 0))


def miss_px(wcs: WCS, sky: np.ndarray) -> float:
    """Return how far the pixels of the points' sky positions are from the points."""
    return float(np.abs(np.asarray(wcs.all_world2pix(sky, 0, tolerance=1e-6)) - points()).max())


@pytest.mark.parametrize("name", DIALECTS)
def test_a_dialect_is_carried_whole(name: str) -> None:
    cards = DIALECTS[name]
    raw = read(cards)
    assert raw.wcs is not None, raw.facts.notes
    sky = astropy_sky(cards)
    assert miss_px(raw.wcs, sky) < 1e-3
    identity = PixelMap(np.eye(2), np.zeros(2), SHAPE)
    assert miss_px(moved(raw.wcs, identity.matrix, identity.shift), sky) < 1e-3
    assert miss_px(mapped_wcs(raw.wcs, identity), sky) < 1e-3
    stored = fits.Header()
    write_wcs(stored, raw.wcs)
    back = wcs_from_cards(stored)
    assert back is not None
    assert miss_px(back, sky) < 1e-3


@pytest.mark.parametrize("name", ["TPV", "ZPN", "CAR about a pole of its own", "CROTA", "PC001001"])
def test_a_dialect_moves_with_its_pixels(name: str) -> None:
    wcs = read(DIALECTS[name]).wcs
    assert wcs is not None
    turn, shift = np.array([[0.0, -1.1], [1.0, 0.1]]), np.array([3.0, -7.0])
    wanted = np.asarray(wcs.all_pix2world(points() @ turn.T + shift, 0))
    assert miss_px(moved(wcs, turn, shift), wanted) < 1e-6


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        ({"A_2_0": 1e-6, "B_2_0": 1e-6}, "without A_ORDER"),
        ({**SIP, "B_ORDER": None}, "without B_ORDER"),
        ({"CRVAL1": None}, "CRVAL1 is missing"),
        ({"CRVAL1": "10:00:00.0", "CRVAL2": "-30:00:00"}, "CRVAL1 = '10:00:00.0' is no number"),
        ({"CRVAL2": "nan"}, "CRVAL2 = 'nan' is no number"),
        ({"CRVAL2": fits.card.Undefined()}, "CRVAL2 = nothing is no number"),
        ({"CRVAL2": 130.0}, "it cannot be used"),
        ({"CRPIX1": None}, "CRPIX1 is missing"),
        ({"CD1_1": "unknown"}, "CD1_1 = 'unknown' is no number"),
        ({"RADESYS": "FK5", "EQUINOX": "JNOW"}, "EQUINOX = 'JNOW' is no year"),
        ({"RADESYS": "FK5", "EQUINOX": 20250301.0}, "is no year of FK5"),
        ({"RADESYS": "JNOW"}, "is a system of date"),
        ({"RADESYS": "GAPPT", "EQUINOX": 2025.2}, "is a system of date"),
        ({"EQUINOX": 1950.0}, "FK4"),
        ({"CTYPE1": "RA---TNX", "CTYPE2": "DEC--TNX", "WAT1_001": "wtype=tnx axtype=ra"}, ""),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(cards: dict[str, Any], said: str) -> None:
    changed = named("TAN", **CD) | cards
    raw = read({k: v for k, v in changed.items() if v is not None})
    assert raw.wcs is None
    assert any(note.startswith("bad_wcs: ") and said in note for note in raw.facts.notes)


@pytest.mark.parametrize(
    "cards",
    [
        {"RADESYS": "FK5", "EQUINOX": 2025.2},
        {"EQUINOX": "J2025.2"},
        {"EPOCH": 2025.2},
        {"RADESYS": "FK5", "EQUINOX": 2025.2, **SCAMP, "CTYPE1": "RA---TPV", "CTYPE2": "DEC--TPV"},
    ],
)
def test_an_equinox_of_date_is_precessed(cards: dict[str, Any]) -> None:
    cards = named("TAN", **CD) | cards
    raw = read(cards)
    assert raw.wcs is not None
    assert any("precessed" in note for note in raw.facts.notes)
    of_date = astropy_sky({k: v for k, v in cards.items() if k not in ("EQUINOX", "EPOCH")})
    frame = FK5(equinox=Time(2025.2, format="jyear"))
    true: Any = SkyCoord(of_date[:, 0], of_date[:, 1], unit="deg", frame=frame)
    sky = np.column_stack([true.icrs.ra.deg, true.icrs.dec.deg])
    assert np.hypot(*(sky - of_date).T).min() * 60 > 15
    assert miss_px(raw.wcs, sky) < 1e-3


def test_two_distortions_are_settled_with_a_note() -> None:
    raw = read(named("TAN-SIP", **CD, **SIP, **SCAMP))
    assert any("SIP was applied, PV1_7 was not" in note for note in raw.facts.notes)
    leftover = read(named("TPV", **CD, **SIP, **SCAMP))
    assert leftover.wcs is not None
    assert any("SIP terms were not applied" in note for note in leftover.facts.notes)
    assert miss_px(leftover.wcs, astropy_sky(DIALECTS["TPV"])) < 1e-6


def test_numbers_written_as_text_are_numbers() -> None:
    raw = read(named("TAN", **CD) | {"CRVAL1": "150.0"})
    assert raw.wcs is not None
    sky = astropy_sky(DIALECTS["TAN"])
    assert miss_px(raw.wcs, sky) < 1e-6
    assert any("CRVAL1 = '150.0' is text" in note for note in raw.facts.notes)


@pytest.mark.parametrize("code", ["TAN", "TPV", "CAR"])
@pytest.mark.parametrize("ra", [-48.5, 400.0, -1e-17, 359.9999, -360.0])
def test_right_ascension_leaves_in_its_range(code: str, ra: float) -> None:
    place = {"CRVAL1": ra, "CRVAL2": 5.0, "CRPIX1": 24.0, "CRPIX2": 32.0}
    wcs = read(named(code, **CD) | place).wcs
    assert wcs is not None
    moved_wcs = mapped_wcs(wcs, PixelMap(np.eye(2), np.zeros(2), SHAPE))
    for each in (wcs, moved_wcs):
        found = np.asarray(each.all_pix2world(points(), 0))[:, 0]
        assert np.all((found >= 0) & (found < 360))
        assert np.all(np.abs((found - ra + 180) % 360 - 180) < 0.1)


def test_declination_first_exchanges_the_distortion_too() -> None:
    bent = {"PV1_1": 1.01, "PV2_1": 1.0, "PV2_7": 0.5}
    plain = named("TPV", **CD, **bent)
    swapped = {
        "CTYPE1": "DEC--TPV",
        "CTYPE2": "RA---TPV",
        "CRVAL1": plain["CRVAL2"],
        "CRVAL2": plain["CRVAL1"],
        "CRPIX1": plain["CRPIX1"],
        "CRPIX2": plain["CRPIX2"],
        "CD1_1": CD["CD2_1"],
        "CD1_2": CD["CD2_2"],
        "CD2_1": CD["CD1_1"],
        "CD2_2": CD["CD1_2"],
        "PV2_1": 1.01,
        "PV1_1": 1.0,
        "PV1_7": 0.5,
    }
    raw = read(swapped)
    assert raw.wcs is not None
    assert miss_px(raw.wcs, astropy_sky(plain)) < 1e-3


def test_a_turn_by_crota_goes_with_a_distortion_and_with_either_axis_first() -> None:
    # wcslib itself loses CDELT beside TPV: the same turn as CD is what it must equal.
    cosine, sine = np.cos(np.radians(30)), np.sin(np.radians(30))
    pc = {"PC1_1": cosine, "PC1_2": 1.1 * sine, "PC2_1": -sine / 1.1, "PC2_2": cosine}
    cd = {k.replace("PC", "CD"): v * STEPS[f"CDELT{k[2]}"] for k, v in pc.items()}
    sky = astropy_sky(named("TPV", **cd, **SCAMP))
    for turn in ({"CROTA2": 30.0}, pc):
        bent = read(named("TPV", **STEPS, **turn, **SCAMP)).wcs
        assert bent is not None
        assert miss_px(bent, sky) < 1e-3
    upright, swapped = named("TAN", **STEPS), {}
    for keyword, value in upright.items():
        # The pixels change places with the sky axes.
        swapped[keyword[:-1] + {"1": "2", "2": "1"}[keyword[-1]]] = value
    turned = read(swapped | {"CROTA1": 30.0}).wcs
    assert turned is not None
    with warnings.catch_warnings(action="ignore"):
        full = WCS(header_of(swapped | {"CROTA1": 30.0}))
    assert miss_px(turned, np.asarray(full.all_pix2world(points(), 0))[:, ::-1]) < 1e-3


def test_a_distortion_without_its_linear_terms_has_them_by_convention() -> None:
    raw = read(named("TPV", **CD))
    assert raw.wcs is not None
    assert miss_px(raw.wcs, astropy_sky(DIALECTS["TAN"])) < 1e-6
