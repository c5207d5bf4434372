"""The noise a calibrated frame is said to have, against the noise it has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrid_assets.science.calibration.calibrate import calibrate
from astrid_assets.science.calibration.gain import photon_transfer
from astrid_assets.science.calibration.masters import Masters, NoCalibrationFrames, make_master
from astrid_assets.science.calibration.variance import calibrated_variance
from astrid_assets.science.errors import ShapeMismatch
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.simulation import detector
from astrid_assets.science.simulation.scene import SimulationPlan
from astrid_assets_tests.science.real_images import first_image
from astrid_assets_tests.science.star_fields import raw_frame

PLAN = SimulationPlan(
    scene_name="deep", seed=5, shape=(512, 512), frames_per_night=3, first_mjd=60735.0
)
GAIN = np.float32(PLAN.scene.gain_e_per_adu)


def calibration(kind: detector.CalibrationKind) -> list[np.ndarray]:
    return [detector.calibration_adu(PLAN, kind, k) * GAIN for k in range(5)]


@pytest.fixture(scope="module")
def masters() -> Masters:
    time = PLAN.scene.exposure_s
    bias = make_master(calibration("bias"), "bias")
    dark = make_master(calibration("dark"), "dark", bias=bias.image, exposures_s=[time] * 5)
    flat = make_master(calibration("flat"), "flat", bias=bias.image)
    return Masters(
        bias=bias.image,
        dark=dark.image,
        flat=flat.image,
        bias_noise_e=bias.noise,
        dark_noise_e_per_s=dark.noise,
        flat_noise=flat.noise,
        dark_exposure_s=time,
    )


def exposed(sky_e: float, time_s: float, number: int):
    """A raw frame of an empty sky, made by the simulation's detector."""
    rng = np.random.default_rng([number, int(sky_e), int(time_s)])
    expected = sky_e * detector.flat_map(PLAN) + detector.dark_map(PLAN) * time_s
    charge = detector.draw_electrons(expected.astype(np.float32), rng).astype(np.float32)
    adu = detector.read_out(PLAN, charge, rng)
    return replace(
        raw_frame(adu * GAIN),
        exposure_s=time_s,
        saturation_e=65_535.0 * float(GAIN),
        read_noise_e=PLAN.scene.read_noise_e,
        gain_e_per_adu=float(GAIN),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sky_e", "time_s"),
    [(0.0, 1.0), (30.0, 60.0), (400.0, 60.0), (5000.0, 120.0), (20_000.0, 20.0)],
)
def test_variance_is_the_measured_scatter_within_three_percent(masters, sky_e, time_s):
    frames = [calibrate(exposed(sky_e, time_s, k), masters) for k in (0, 1)]
    good = (frames[0].mask & UNUSABLE) == 0
    assert good.mean() > 0.98
    # Inside one frame: the noise of the masters counts too.
    light = np.full(PLAN.shape, sky_e, np.float32)
    noise = PLAN.scene.read_noise_e
    variance = calibrated_variance(light, time_s, noise, masters)
    pull = (frames[0].data - sky_e)[good] / np.sqrt(variance[good])
    assert np.var(clipped(pull)) == pytest.approx(1, abs=0.03)
    # Between two exposures only the noise of their own counts.
    single = replace_noise(masters)
    variance = calibrated_variance(light, time_s, noise, single)
    pull = (frames[0].data - frames[1].data)[good] / np.sqrt(2 * variance[good])
    assert np.var(clipped(pull)) == pytest.approx(1, abs=0.03)


def clipped(pull: np.ndarray) -> np.ndarray:
    """Without the few hot pixels at the edge of being masked."""
    return pull[np.abs(pull - np.median(pull)) < 5]


def replace_noise(masters: Masters) -> Masters:
    return Masters(bias=masters.bias, dark=masters.dark, flat=masters.flat)


def test_where_the_flat_is_low_the_noise_is_high(masters):
    assert masters.flat is not None
    light = np.full(PLAN.shape, 400.0, np.float32)
    corner, middle = (slice(0, 60), slice(0, 60)), (slice(230, 290), slice(230, 290))
    single = Masters(flat=masters.flat)
    variance = calibrated_variance(light, 10.0, 0.0, single)
    ratio = np.median(variance[corner]) / np.median(variance[middle])
    flat = np.median(masters.flat[middle]) / np.median(masters.flat[corner])
    assert ratio == pytest.approx(flat, rel=0.005)  # photons: n f / f²


def test_the_formula_by_hand():
    masters = Masters(
        bias=np.zeros((1, 1), np.float32),
        dark=np.full((1, 1), 0.5, np.float32),
        flat=np.full((1, 1), 0.8, np.float32),
        bias_noise_e=2.0,
        dark_noise_e_per_s=0.1,
        flat_noise=0.01,
        dark_exposure_s=120.0,
    )
    value = calibrated_variance(np.full((1, 1), 1000, np.float32), 60, 5.0, masters)
    collected = 1000 * 0.8 + 0.5 * 60
    by_hand = (collected + 25 + 0.25 * 4 + 36) / 0.64 + 1000**2 * 1e-4 / 0.64
    assert value[0, 0] == pytest.approx(by_hand, rel=1e-6)


@given(sky=st.floats(0, 1e5), noise=st.floats(0, 50))
@settings(max_examples=20, deadline=None)
def test_without_masters_it_is_photons_and_read_noise(sky, noise):
    light = np.full((2, 3), sky, np.float32)
    variance = calibrated_variance(light, 10.0, noise)
    np.testing.assert_allclose(variance, np.float32(sky) + noise**2, rtol=1e-5)


def test_no_light_is_no_negative_noise_and_nan_stays_alone():
    light = np.array([[-50.0, np.nan, 10.0]], np.float32)
    variance = calibrated_variance(light, 10.0, 3.0)
    np.testing.assert_array_equal(np.isnan(variance), [[False, True, False]])
    assert (variance[0, 0], variance[0, 2]) == (9, 19)
    with pytest.raises(ShapeMismatch):
        calibrated_variance(light, 1.0, 1.0, Masters(bias=np.ones((9, 9), np.float32)))


def test_sky_flat_and_hot_pixels_of_the_simulation_are_recovered(masters):
    out = calibrate(exposed(800.0, 60.0, 3), masters)
    good = (out.mask & UNUSABLE) == 0
    assert np.median(out.data[good]) == pytest.approx(800, rel=0.002)
    truth = detector.flat_map(PLAN)
    ratio = masters.flat[good] / truth[good]
    assert ratio.mean() == pytest.approx(1, abs=5e-4)
    assert ratio.std() == pytest.approx(masters.flat_noise, rel=0.05)
    # No pattern is left: corners and centre have one sky.
    boxes = [out.data[y : y + 100, x : x + 100] for y in (0, 206, 412) for x in (0, 206, 412)]
    levels = np.array([np.median(box) for box in boxes])
    assert levels.std() / levels.mean() < 0.002
    hot = (out.mask & MaskBit.HOT) != 0
    charge = detector.dark_map(PLAN) * 60
    limit = 800 + PLAN.scene.read_noise_e**2
    assert hot[charge > 1.2 * limit].all()
    assert not hot[charge < 0.8 * limit].any()
    dead = (out.mask & MaskBit.BAD) != 0
    np.testing.assert_array_equal(dead, detector.dead_pixels(PLAN))


@pytest.mark.slow
@pytest.mark.parametrize("scene", ["wide", "deep"])
def test_gain_and_read_noise_are_recovered(scene):
    plan = replace(PLAN, scene_name=scene)

    def pair(kind):
        first, second = (detector.calibration_adu(plan, kind, k) for k in (0, 1))
        return first.astype(np.float32), second.astype(np.float32)

    found = photon_transfer(pair("flat"), pair("bias"))
    assert found.gain_e_per_adu == pytest.approx(plan.scene.gain_e_per_adu, rel=0.01)
    assert found.read_noise_e == pytest.approx(plan.scene.read_noise_e, rel=0.02)
    with pytest.raises(NoCalibrationFrames, match="show no gain"):
        photon_transfer(pair("bias"), pair("bias"))


@pytest.mark.slow
def test_the_errors_of_gain_and_read_noise_are_those_of_repeated_measurements(rng):
    gain, read_noise_e, shape = 2.3, 7.0, (128, 128)

    def frame(level_e):
        light = rng.poisson(level_e, shape) + rng.normal(0, read_noise_e, shape)
        return (500 + light / gain).astype(np.float32)

    found = [
        photon_transfer((frame(20_000), frame(18_000)), (frame(0), frame(0))) for _ in range(40)
    ]
    pulls = [(f.gain_e_per_adu - gain) / f.gain_err_e_per_adu for f in found]
    assert 0.5 < np.std(pulls) < 1.4
    pulls = [(f.read_noise_e - read_noise_e) / f.read_noise_err_e for f in found]
    assert 0.5 < np.std(pulls) < 1.4
    assert {f.n_pixels for f in found} == {128 * 128}


@pytest.mark.data
def test_the_gain_of_a_real_camera(shared_data):
    folder = shared_data / "calib_sbig_2017"

    def pair(pattern):
        paths = sorted(folder.glob(pattern))[:2]
        first, second = (first_image(path)[0].astype(np.float32) for path in paths)
        return first, second

    found = photon_transfer(pair("flat/*.fz"), pair("bias/biases*.fz"))
    assert found.gain_e_per_adu == pytest.approx(2.06, rel=0.1)  # EGAIN
    assert found.read_noise_e == pytest.approx(13, abs=3)  # data sheet: 14.8
