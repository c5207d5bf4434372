"""Overscan and trim: against ccdproc, on a real frame, and as properties."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.modeling import models
from astropy.nddata import CCDData
from ccdproc import subtract_overscan, trim_image
from hypothesis import given, settings
from hypothesis import strategies as st

from astrid_assets.science.calibration.overscan import (
    Amplifier,
    assembled,
    overscan_level,
    without_overscan,
)
from astrid_assets.science.errors import FrameRejected
from astrid_assets.surveys.fits.reader import raw_image_to_frame, read_headers, read_image
from astrid_assets.surveys.profile import ProfileError
from astrid_assets_tests.science.real_images import first_image
from astrid_assets_tests.surveys.fits_files import light, survey

STRIP = (slice(0, 120), slice(2, 12))
KEPT = (slice(0, 120), slice(16, 100))


@pytest.fixture
def raw(rng) -> np.ndarray:
    """A frame with a pedestal that drifts along its rows, and a strip on its left."""
    rows = np.linspace(-1, 1, 120)
    level = 1000 + 8 * rows + 5 * rows**2 - 3 * rows**3
    image = rng.normal(0, 4, (120, 100)) + level[:, None]
    image[:, 16:] += 500
    return image.astype(np.float32)


def ccdproc_of(raw: np.ndarray, **how: object) -> np.ndarray:
    done = subtract_overscan(
        CCDData(raw.astype(np.float64), unit="adu"),
        fits_section="[3:12,1:120]",
        overscan_axis=1,
        median=True,
        **how,
    )
    return np.asarray(trim_image(done, fits_section="[17:100,1:120]").data)


def test_rows_and_polynomial_are_those_of_ccdproc(raw):
    ours = without_overscan(raw, STRIP, KEPT, "rows").image
    np.testing.assert_allclose(ours, ccdproc_of(raw), atol=2e-4)
    smooth = without_overscan(raw, STRIP, KEPT, "polynomial").image
    theirs = ccdproc_of(raw, model=models.Chebyshev1D(3))
    np.testing.assert_allclose(smooth, theirs, atol=2e-4)


def test_a_drift_is_seen_by_rows_and_curve_but_not_by_one_median(raw):
    def drift(model):
        image = without_overscan(raw, STRIP, KEPT, model).image
        return np.std(np.median(image, axis=1))

    assert drift("median") > 3.5  # the drift
    assert drift("rows") < 2.2  # the noise of ten pixels' medians
    assert drift("polynomial") < 1.0


def test_a_charged_line_does_not_bend_the_curve(raw):
    bright = raw.copy()
    bright[60, 2:12] = 5000
    level = overscan_level(bright[STRIP], "polynomial")
    assert np.abs(level - overscan_level(raw[STRIP], "polynomial")).max() < 0.5


@pytest.mark.data
def test_the_real_frame_of_ccdproc(shared_data):
    """SAAO STE3: ccdproc's own test frame, by the header's sections."""
    path = shared_data / "odd_fits" / "saao_ste3_raw_overscan.fits"
    content = path.read_bytes()
    raw = first_image(path)[0].astype(np.float32)
    curve = {"model": models.Chebyshev1D(3)}
    for model, how in (("median", None), ("rows", {}), ("polynomial", curve)):
        profile = survey(
            f'[detector]\noverscan = "header"\ntrim = "header"\noverscan_model = "{model}"\n'
        )
        image = read_image(content, 0, "a.fits", profile)
        assert image.data.shape == (520, 512)
        strip = raw[:, 3:13]
        if how is None:
            expected = raw[:, 16:528] - np.median(strip)
        else:
            done = subtract_overscan(
                CCDData(raw.astype(np.float64), unit="adu"),
                overscan_axis=1,
                fits_section="[4:13,1:520]",
                median=True,
                **how,
            )
            expected = np.asarray(done.data)[:, 16:528]
        # ccdproc keeps outlying lines in its fit.
        np.testing.assert_allclose(image.data, expected, atol=0.5)
        assert abs(np.median(image.data) - np.median(expected)) < 0.05
        level = image.facts.saturation_adu
        assert level == pytest.approx(65535 - np.median(strip), abs=30)


@given(pedestal=st.integers(-2000, 2000), model=st.sampled_from(["median", "rows", "polynomial"]))
@settings(max_examples=20, deadline=None)
def test_a_pedestal_leaves_no_trace(pedestal, model):
    image = np.random.default_rng(5).integers(0, 500, (40, 60)).astype(np.float32)
    strip, kept = (slice(0, 40), slice(50, 60)), (slice(0, 40), slice(0, 50))
    one = without_overscan(image, strip, kept, model).image
    other = without_overscan(image + np.float32(pedestal), strip, kept, model).image
    np.testing.assert_allclose(other, one, atol=2e-3)


def test_a_strip_below_the_image_gives_a_level_per_column(raw):
    turned = without_overscan(raw.T, (STRIP[1], STRIP[0]), (KEPT[1], KEPT[0]), "rows")
    np.testing.assert_array_equal(turned.image.T, without_overscan(raw, STRIP, KEPT, "rows").image)


def test_missing_pixels_of_the_strip_are_left_out(raw):
    raw[30, 2:8] = np.nan
    assert np.isfinite(without_overscan(raw, STRIP, KEPT, "rows").image).all()
    raw[30, 2:12] = np.nan
    assert np.isfinite(without_overscan(raw, STRIP, KEPT, "polynomial").image).all()
    with pytest.raises(FrameRejected, match="1 lines"):
        without_overscan(raw, STRIP, KEPT, "rows")
    raw[STRIP] = np.nan
    with pytest.raises(FrameRejected, match="no valid pixel"):
        without_overscan(raw, STRIP, KEPT)


def test_a_strip_that_ends_early_is_refused(raw):
    short = (slice(0, 100), slice(2, 12))
    with pytest.raises(FrameRejected, match="each line needs its own level"):
        without_overscan(raw, short, KEPT, "rows")


ALL = slice(0, 50)


def two_amplifiers(rng) -> np.ndarray:
    """Left half read at 2 e-/ADU over 1000, right half at 1 e-/ADU over 3000."""
    electrons = rng.normal(4000, 30, (50, 80))
    image = np.empty((50, 100))
    image[:, :40] = electrons[:, :40] / 2 + 1000
    image[:, 40:50] = 1000
    image[:, 50:60] = 3000
    image[:, 60:] = electrons[:, 40:] / 1 + 3000
    return image.astype(np.float32)


def test_amplifiers_meet_without_a_step(rng):
    image = two_amplifiers(rng)
    done = assembled(
        image,
        [
            Amplifier((slice(0, 50), slice(0, 40)), (slice(0, 50), slice(40, 50)), 2.0),
            Amplifier((slice(0, 50), slice(60, 100)), (slice(0, 50), slice(50, 60)), 1.0),
        ],
        gain_e_per_adu=2.0,
    )
    assert done.image.shape == (50, 80)
    left, right = done.image[:, :40] * 2, done.image[:, 40:] * 2  # electrons
    assert np.median(left) == pytest.approx(np.median(right), rel=0.003)
    assert np.median(left) == pytest.approx(4000, rel=0.003)
    # A full pixel of either amplifier is recognised as such.
    assert (done.highest_level, done.saturation_factor) == (3000, 0.5)


def test_amplifiers_that_do_not_tile_are_refused(rng):
    image = two_amplifiers(rng)
    one = Amplifier((slice(0, 50), slice(0, 40)))
    for other in (
        Amplifier((slice(0, 50), slice(30, 80))),
        Amplifier((slice(0, 40), slice(60, 100))),
        one,
    ):
        with pytest.raises(FrameRejected, match="do not tile"):
            assembled(image, [one, other], 1.0)


def test_a_profile_can_name_amplifiers(rng):
    content = light(two_amplifiers(rng).astype(np.uint16), GAIN=2.0)
    profile = survey(
        '[[detector.amplifiers]]\ndata = "[1:40,1:50]"\noverscan = "[41:50,1:50]"\n'
        'gain_e_per_adu = 2.0\n[[detector.amplifiers]]\ndata = "[61:100,1:50]"\n'
        'overscan = "[51:60,1:50]"\ngain_e_per_adu = 1.0\n'
    )
    frame = raw_image_to_frame(read_image(content, 0, "a.fits", profile), "a")
    assert frame.shape == (50, 80)
    assert np.median(frame.data) == pytest.approx(4000, rel=0.003)


def test_the_end_of_the_linear_range_counts_as_saturation():
    data = np.full((64, 64), 1000, np.uint16)
    data[10, 10], data[20, 20] = 41_000, 39_000
    profile = survey("[detector]\nlinear_max_adu = 40000\n")
    (facts,) = read_headers(light(data), "a.fits", profile)
    assert facts.hdu == 0
    frame = raw_image_to_frame(read_image(light(data), 0, "a.fits", profile), "a")
    assert frame.saturation_e == 40_000 * 1.5
    full = frame.data >= frame.saturation_e
    assert (full.sum(), full[10, 10]) == (1, True)


def test_sections_are_given_for_the_frame_or_for_its_amplifiers():
    with pytest.raises(ProfileError, match="amplifiers have sections of their own"):
        survey('[detector]\ntrim = "header"\n[[detector.amplifiers]]\ndata = "[1:40,1:50]"\n')


def test_an_amplifier_outside_the_image_is_refused(rng):
    content = light(two_amplifiers(rng).astype(np.uint16))
    profile = survey('[[detector.amplifiers]]\ndata = "[1:400,1:50]"\n')
    with pytest.raises(FrameRejected, match="does not lie inside") as caught:
        read_image(content, 0, "a.fits", profile)
    assert caught.value.code == "bad_section"
