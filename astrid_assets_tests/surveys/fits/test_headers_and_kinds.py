"""Image types, saturation and sections: headers lie, pixels do not."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from astrid_assets.surveys.fits.headers import HeaderView
from astrid_assets.surveys.fits.image_kind import kind_by_pixels, kind_by_words, kind_of
from astrid_assets.surveys.fits.saturation import believable_saturation
from astrid_assets.surveys.profile import Calibration, Keywords
from astrid_assets_tests.surveys.fits_files import header_of


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Light Frame", "light"),
        ("object", "light"),
        ("SCIENCE", "light"),
        ("Bias Frame", "bias"),
        ("zero", "bias"),
        ("master_bias", "bias"),
        ("Dark Frame", "dark"),
        ("dark flat", "dark"),
        ("flatdark", "dark"),
        ("Flat Field", "flat"),
        ("DOMEFLAT", "flat"),
        ("sky-flat", "flat"),
        ("focus", None),
        ("", None),
        ("arc", None),
        ("darkness of the object", "dark"),
    ],
)
def test_image_types_are_told_by_words(words: str, kind: str | None) -> None:
    assert kind_by_words(words) == kind


def test_a_number_is_no_image_type() -> None:
    header = HeaderView(header_of({"FRAME": 27}))
    assert kind_of("a.fits", header, Keywords(), Calibration(), []) == "light"


def test_the_path_of_the_profile_outranks_the_header() -> None:
    header = HeaderView(header_of({"IMAGETYP": "Light Frame"}))
    notes: list[str] = []
    calibration = Calibration(flat=("flat/*",))
    assert kind_of("flat/a.fits", header, Keywords(), calibration, notes) == "flat"
    assert notes == ["the header says light, the profile's path flat"]


def test_an_unknown_word_is_an_unknown_type_with_a_note() -> None:
    header = HeaderView(header_of({"IMAGETYP": "focus run"}))
    notes: list[str] = []
    assert kind_of("a.fits", header, Keywords(), Calibration(), notes) == "unknown"
    assert "focus run" in notes[0]


def stars_on(sky: np.ndarray) -> np.ndarray:
    """Add twenty Gaussian stars of 20 times the noise of 10."""
    y, x = np.mgrid[: sky.shape[0], : sky.shape[1]]
    stars = sky.astype(np.float32)
    for k in range(20):
        x0, y0 = 12 + 23 * (k % 5), 12 + 28 * (k // 5)
        stars += 200 * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * 1.8**2))
    return stars


def test_pixels_tell_lights_flats_and_biases_apart(rng: np.random.Generator) -> None:
    noise = rng.normal(0, 10, (128, 128)).astype(np.float32)
    vignetting = 1 - 0.1 * np.hypot(*(np.mgrid[:128, :128] - 64)) / 90
    hot = noise + 1000
    hot.ravel()[rng.integers(0, hot.size, 60)] += 5000
    assert kind_by_pixels(stars_on(noise + 500), 60.0) == "light"
    assert kind_by_pixels((noise * 8 + 20000 * vignetting).astype("f4"), 5.0) == "flat"
    assert kind_by_pixels(noise + 1000, 0.0) == "bias"
    assert kind_by_pixels(hot, 300.0) == "unknown", "hot pixels are no stars"


def test_pixels_piled_at_the_top_are_saturated(rng: np.random.Generator) -> None:
    star = rng.normal(400, 10, (100, 100)).astype(np.float32)
    star[40:50, 40:50] = rng.uniform(2000, 6000, (10, 10))
    notes: list[str] = []
    assert believable_saturation(np.minimum(star, 4095), 65535, notes) == 4095
    assert "share the highest value 4095" in notes[0]


def test_a_smooth_star_is_not_saturated(rng: np.random.Generator) -> None:
    y, x = np.mgrid[:100, :100]
    star = rng.normal(400, 10, (100, 100))
    star += 30000 * np.exp(-((x - 50) ** 2 + (y - 50) ** 2) / 18)
    notes: list[str] = []
    assert believable_saturation(np.round(star).astype("f4"), 65535, notes) == 65535
    assert notes == []


def test_a_saturation_level_below_the_sky_is_not_believed(
    rng: np.random.Generator,
) -> None:
    sky = rng.normal(5000, 10, (50, 50)).astype(np.float32)
    notes: list[str] = []
    assert believable_saturation(sky, 4000, notes) == np.inf
    assert "not believed" in notes[0]


@pytest.mark.parametrize("keyword", ["*[", "GA*", "GAI?", "GAI...", "*"])
def test_a_keyword_that_reads_as_a_pattern_has_no_value(keyword: str) -> None:
    header = fits.Header([("GAIN", 2.0)])
    header.append(fits.Card.fromstring(f"{keyword:8}= 3.0"))
    view = HeaderView(header)
    assert view.number(keyword) is None
    assert view.unit(keyword) == ""
    assert list(view.keywords()) == ["GAIN"]


@pytest.mark.slow
@given(block=st.binary(min_size=80, max_size=80 * 12))
def test_no_header_whatever_raises(block: bytes) -> None:
    block = block[: len(block) // 80 * 80]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy's, about cards out of the standard
        view = HeaderView(fits.Header.fromstring(block.decode("latin-1")))
    for keyword in [*view.keywords(), "GAIN", "no such keyword", ""]:
        view.number(keyword)
        view.text(keyword)
        view.unit(keyword)
        view.has(keyword)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("1.22", 1.22),
        (" 060.00", 60.0),
        ("1.5D3", 1500.0),
        ("1e3", 1000.0),
        (True, None),
        ("", None),
        ("nan", None),
        ("5 e-", None),
        (3, 3.0),
    ],
)
def test_numbers_are_read_from_text(value: object, number: float | None) -> None:
    assert HeaderView(header_of({"X": value})).number("X") == number
