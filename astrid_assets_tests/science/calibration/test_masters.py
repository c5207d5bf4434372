"""Masters and calibration: the detector's marks go, the sky stays."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.calibration.calibrate import calibrate
from astrid_assets.science.calibration.masters import (
    Masters,
    NoCalibrationFrames,
    make_master,
)
from astrid_assets.science.errors import FrameRejected, ShapeMismatch
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets_tests.science.real_images import first_image
from astrid_assets_tests.science.star_fields import raw_frame

SHAPE = (120, 140)


@pytest.fixture
def detector(rng):
    """Bias structure, dark current per second and flat of a small detector."""
    bias = 1000 + rng.normal(0, 3, SHAPE)
    dark = rng.gamma(2.0, 0.05, SHAPE)
    dark[50, 60] = 40.0
    flat = 1 + 0.05 * np.sin(np.arange(SHAPE[1]) / 20)[None, :] * np.ones(SHAPE)
    flat[10, 10] = 0.0
    return bias, dark, flat


def exposures(rng, detector, light_e, time_s, n):
    bias, dark, flat = detector
    return [
        (bias + rng.poisson(dark * time_s + light_e * flat) + rng.normal(0, 5, SHAPE)).astype(
            np.float32
        )
        for _ in range(n)
    ]


@pytest.fixture
def masters(rng, detector):
    bias = make_master(exposures(rng, detector, 0, 0, 9), "bias").image
    darks = exposures(rng, detector, 0, 100, 5) + exposures(rng, detector, 0, 300, 5)
    times = [100.0] * 5 + [300.0] * 5
    dark = make_master(darks, "dark", bias=bias, exposures_s=times).image
    flats = [e for level in (20_000, 30_000, 25_000) for e in exposures(rng, detector, level, 2, 2)]
    flat = make_master(flats, "flat", bias=bias, dark=dark, exposures_s=[2.0] * 6).image
    return Masters(bias=bias, dark=dark, flat=flat)


def test_masters_are_what_the_detector_does(detector, masters):
    bias, dark, flat = detector
    assert np.std(masters.bias - bias) < 2.5
    assert np.median(masters.dark - dark) == pytest.approx(0, abs=0.01)
    good = flat > 0.5
    assert np.std(masters.flat[good] / flat[good]) < 0.01


def test_a_calibrated_sky_is_flat(rng, detector, masters):
    image = exposures(rng, detector, 2000, 150, 1)[0]
    frame = raw_frame(image)
    out = calibrate(frame.__class__(**{**vars(frame), "exposure_s": 150.0}), masters)
    columns = np.median(out.data, axis=0)
    assert np.median(out.data) == pytest.approx(2000, rel=0.01)
    assert np.std(columns) < 12  # 5 % of 2000 were 100 before
    assert out.mask[50, 60] & MaskBit.HOT  # hot
    assert out.mask[10, 10] & MaskBit.BAD  # no response
    assert np.mean(out.mask != 0) < 0.01


def test_an_outlier_leaves_no_trace_in_a_master(rng):
    stack = [rng.normal(100, 5, SHAPE).astype(np.float32) for _ in range(7)]
    stack[3][20, 30] = 50_000
    assert make_master(stack, "bias").image[20, 30] == pytest.approx(100, abs=10)


def test_clipping_costs_hardly_any_noise(rng):
    stack = [rng.normal(0, 10, SHAPE).astype(np.float32) for _ in range(10)]
    assert make_master(stack, "bias").image.std() == pytest.approx(10 / np.sqrt(10), rel=0.06)


def test_a_dark_without_bias_or_time_is_refused():
    image = np.ones(SHAPE, dtype=np.float32)
    with pytest.raises(NoCalibrationFrames, match="master bias"):
        make_master([image], "dark", exposures_s=[10.0])
    with pytest.raises(FrameRejected, match="exposure"):
        make_master([image], "dark", bias=image, exposures_s=[0.0])
    with pytest.raises(NoCalibrationFrames):
        make_master([], "bias")


def test_a_dark_flat_is_refused_with_its_level():
    with pytest.raises(NoCalibrationFrames, match="500 needed"):
        make_master([np.full(SHAPE, 20, np.float32)], "flat")


def test_shapes_have_to_agree(masters):
    with pytest.raises(ShapeMismatch):
        calibrate(raw_frame(np.ones((50, 50), np.float32)), masters)


def test_the_saturation_level_moves_with_the_bias(masters):
    frame = raw_frame(np.full(SHAPE, 30_000, np.float32))
    frame = frame.__class__(**{**vars(frame), "saturation_e": 60_000.0})
    assert calibrate(frame, masters).saturation_e == pytest.approx(59_000, abs=10)


@pytest.mark.data
@pytest.mark.parametrize(
    ("band", "light", "limit"), [("B", "uamA_0026", 0.018), ("V", "uamA_0031", 0.016)]
)
def test_real_dome_flats_even_out_the_sky(shared_data, band, light, limit):
    folder = shared_data / "calib_cafos_ngc2420"

    def images(kind):
        for path in sorted((folder / kind).glob("*.fits.fz")):
            yield path.name, first_image(path)[0].astype(np.float32)

    bias = make_master([image for _, image in images("bias")], "bias").image
    flats = [image for _, image in images(f"flat_{band}")]
    flat = make_master(flats, "flat", bias=bias).image
    raw = dict(images(f"light_{band}"))[f"{light}.fits.fz"]

    def spread(image):
        boxes = [
            image[r : r + 150, c : c + 150]
            for r, c in ((40, 40), (40, 830), (830, 40), (830, 830), (437, 437))
        ]
        levels = np.array([np.median(box) for box in boxes])
        return levels.std() / levels.mean()

    out = calibrate(raw_frame(raw), Masters(bias=bias, flat=flat))
    assert spread(raw - bias) > 0.038
    assert spread(out.data) < limit
