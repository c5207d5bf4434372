"""A raw frame obeys detector physics, and its truth describes it."""

from __future__ import annotations

import time

import numpy as np
import pytest

from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.simulation import detector
from astrid_assets.science.simulation.exposure import Exposure, expose
from astrid_assets.science.simulation.optics import simulated_pixels, to_sky, true_wcs
from astrid_assets.science.simulation.point_spread import star_stamps
from astrid_assets.science.simulation.scene import SimulationPlan
from astrid_assets.science.simulation.weather import conditions

WIDE = SimulationPlan(
    scene_name="wide", seed=7, shape=(384, 384), frames_per_night=3, first_mjd=60735.0
)
DEEP = SimulationPlan(
    scene_name="deep", seed=3, shape=(384, 320), frames_per_night=3, first_mjd=60735.0
)


def _electrons(plan: SimulationPlan, exposure: Exposure) -> np.ndarray:
    """Calibrate with the true bias, dark and flat."""
    raw = exposure.adu * plan.scene.gain_e_per_adu - detector.bias_map(plan)
    raw = raw - detector.dark_map(plan) * plan.scene.exposure_s
    return raw / exposure.truth.flat


def _good(exposure: Exposure) -> np.ndarray:
    return exposure.truth.mask == 0


@pytest.mark.parametrize("plan", [WIDE, DEEP], ids=["wide", "deep"])
def test_a_calibrated_frame_minus_its_truth_is_photon_and_read_noise(plan):
    exposure = expose(plan, 5, 0)
    truth, scene = exposure.truth, plan.scene
    light = truth.clean_e + truth.background_e
    residual = _electrons(plan, exposure) - light
    dark = detector.dark_map(plan) * scene.exposure_s
    variance = (light * truth.flat + dark + scene.read_noise_e**2) / truth.flat**2
    # Halos of saturated stars, ghosts and hot pixels of below one sigma are extra.
    usual = _good(exposure) & (truth.clean_e < 3000) & (dark < 200)
    pull = residual[usual] / np.sqrt(variance[usual])
    assert np.median(pull) == pytest.approx(0, abs=0.06)
    quartiles = np.percentile(pull, [25, 75])
    assert (quartiles[1] - quartiles[0]) / 1.349 == pytest.approx(1, abs=0.02)


def test_two_flats_give_the_gain_and_two_biases_the_read_noise():
    # Photon transfer: var(ADU) = mean(ADU) / gain + read noise².
    first, second = (detector.calibration_adu(WIDE, "flat", i).astype(float) for i in (0, 1))
    alive = ~detector.dead_pixels(WIDE)
    bias = detector.bias_map(WIDE) / WIDE.scene.gain_e_per_adu
    a, b = (first - bias)[alive], (second - bias)[alive]
    ratio = a.mean() / b.mean()
    variance = np.var(a - ratio * b) / (1 + ratio)
    assert a.mean() / variance == pytest.approx(WIDE.scene.gain_e_per_adu, rel=0.02)
    biases = [detector.calibration_adu(WIDE, "bias", i).astype(float) for i in (0, 1)]
    noise = np.std(biases[0] - biases[1]) / np.sqrt(2) * WIDE.scene.gain_e_per_adu
    assert noise == pytest.approx(WIDE.scene.read_noise_e, rel=0.02)


def test_darks_show_the_dark_current_of_the_exposure_and_its_hot_pixels():
    dark = detector.calibration_adu(DEEP, "dark", 0) * DEEP.scene.gain_e_per_adu
    dark = dark - detector.bias_map(DEEP)
    expected = detector.dark_map(DEEP) * DEEP.scene.exposure_s
    assert np.mean(dark - expected) == pytest.approx(0, abs=0.3)
    hot = expected > 1000
    assert hot.sum() > 10
    assert dark[hot] == pytest.approx(expected[hot], abs=float(6 * np.sqrt(expected.max())))


@pytest.mark.slow
@pytest.mark.parametrize("plan", [WIDE, DEEP], ids=["wide", "deep"])
def test_stars_have_the_flux_of_their_magnitude_at_their_place(plan):
    exposure = expose(plan, 1, 1)
    truth = exposure.truth
    image = _electrons(plan, exposure) - truth.background_e
    painted, pulls = [], []
    for x, y, flux in zip(truth.stars_x, truth.stars_y, truth.stars_flux_e, strict=True):
        is_inside = (20 < x < plan.shape[1] - 21) and (20 < y < plan.shape[0] - 21)
        distance = np.hypot(truth.stars_x - x, truth.stars_y - y)
        near = truth.stars_flux_e[(distance < 20) & (distance > 0)].sum()
        if not is_inside or not 1.5e4 < flux < 3e5 or near > 0.06 * flux:
            continue
        column, row = round(x), round(y)
        cut = np.s_[row - 4 : row + 5, column - 4 : column + 5]
        if not _good(exposure)[cut].all():
            continue
        offset = np.array([x - column]), np.array([y - row])
        psf = star_stamps(truth.psf, np.array([x]), np.array([y]), *offset, 4)[0]
        psf = psf.astype(float)
        measured = (image[cut] * psf).sum() / (psf**2).sum()
        expected = (truth.clean_e[cut] * psf).sum() / (psf**2).sum()
        painted.append(expected / flux)
        noise = truth.sky_sigma_e**2 / (psf**2).sum()
        noise += flux * (psf**3).sum() / (psf**2).sum() ** 2
        pulls.append((measured - expected) / np.sqrt(noise))
    assert len(pulls) >= 6
    # Galaxies and faint neighbours add a little to some of them.
    assert np.median(painted) == pytest.approx(1, abs=0.01)
    assert np.mean(pulls) == pytest.approx(0, abs=1.0)
    assert np.std(pulls) < 2


def test_the_zero_point_turns_magnitudes_into_electrons_through_the_clouds():
    clear, cloudy = expose(WIDE, 1, 0).truth, expose(WIDE, 6, 1).truth
    assert cloudy.conditions.mishap == "clouds"
    ratio = cloudy.stars_flux_e[3] / clear.stars_flux_e[3]
    expected = 10 ** (0.4 * (cloudy.zero_point_mag - clear.zero_point_mag))
    assert ratio == pytest.approx(expected, rel=0.02)
    assert ratio == pytest.approx(cloudy.transparency / clear.transparency, rel=0.02)


@pytest.mark.parametrize("plan", [WIDE, DEEP], ids=["wide", "deep"])
def test_the_distorted_projection_goes_there_and_back(plan):
    wcs = true_wcs(plan, (3.2, -5.1), 0.04)
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-40, 420, (2, 200))
    back_x, back_y = simulated_pixels(wcs, *to_sky(wcs, x, y))
    assert np.hypot(back_x - x, back_y - y).max() < 1e-4
    without = wcs.deepcopy()
    without.sip = None
    flat_x, flat_y = without.all_world2pix(*to_sky(wcs, x, y), 0)
    # The distortion is real: the plain projection misses.
    assert np.hypot(flat_x - x, flat_y - y).max() > 0.05


def test_the_pointing_shift_moves_the_sky_by_so_many_pixels():
    ra, dec = to_sky(true_wcs(WIDE), np.array([190.0]), np.array([200.0]))
    x, y = simulated_pixels(true_wcs(WIDE, (4.0, -6.5)), ra, dec)
    assert (x[0], y[0]) == pytest.approx((194.0, 193.5), abs=0.01)


@pytest.mark.slow
def test_the_same_frame_is_made_whatever_was_made_before():
    alone = expose(DEEP, 4, 2)
    expose(DEEP, 0, 0)
    again = expose(DEEP, 4, 2)
    assert np.array_equal(alone.adu, again.adu)
    assert np.array_equal(alone.truth.mask, again.truth.mask)
    assert not np.array_equal(alone.adu, expose(DEEP, 4, 1).adu)


def test_bleeding_keeps_the_charge_and_fills_the_column():
    charge = np.full((200, 5), 100.0, np.float32)
    charge[100, 2] = 5_000_000
    before = charge.sum(dtype=float)
    full = detector.bleed(charge, 100_000)
    assert charge.sum(dtype=float) == pytest.approx(before, rel=1e-6)
    assert charge.max() <= 100_000 * (1 + 1e-6)
    assert full[:, 2].sum() == pytest.approx(50, abs=1)
    rows = np.flatnonzero(full[:, 2])
    assert rows.mean() == pytest.approx(100, abs=1)
    assert not full[:, [0, 1, 3, 4]].any()


def test_saturated_stars_reach_the_level_of_the_header_and_no_more():
    exposure = expose(WIDE, 1, 0)
    full = (exposure.truth.mask & MaskBit.SATURATED) != 0
    assert full.any()
    scene = WIDE.scene
    assert np.all(exposure.adu[full] >= scene.saturation_adu + scene.bias_adu)
    assert np.mean(exposure.adu >= scene.saturation_adu + scene.bias_adu) < 0.005


def test_cosmic_rays_and_new_hot_pixels_stand_out_where_the_mask_says():
    exposure = expose(DEEP, 9, 0)
    truth = exposure.truth
    residual = _electrons(DEEP, exposure) - truth.clean_e - truth.background_e
    for bit in (MaskBit.COSMIC_RAY, MaskBit.BAD):
        hit = ((truth.mask & bit) != 0) & ~detector.dead_pixels(DEEP)
        hit &= (truth.mask & MaskBit.SATURATED) == 0
        assert hit.sum() > 20
        assert np.median(residual[hit]) > 1.5 * truth.sky_sigma_e


@pytest.mark.slow
def test_some_later_frames_have_a_satellite_and_no_early_one():
    plan = SimulationPlan(
        scene_name="wide", seed=7, shape=(96, 96), frames_per_night=3, first_mjd=60735.0
    )
    trailed = [
        (night, index)
        for night in range(12)
        for index in range(3)
        if (expose(plan, night, index).truth.mask & MaskBit.TRAIL).any()
    ]
    assert 3 <= len(trailed) <= 18
    assert min(trailed)[0] >= 3


def test_crosstalk_shows_bright_pixels_at_their_mirror_place():
    charge = np.full(WIDE.shape, 400.0, np.float32)
    charge[50, 60] = 80_400.0
    seen = detector.add_crosstalk(WIDE, charge, 400.0)
    assert seen[50, 383 - 60] - 400 == pytest.approx(80_000 * WIDE.scene.crosstalk, 0.01)
    assert seen[50, 60] == pytest.approx(80_400)
    assert np.sum(seen != 400) == 2


@pytest.mark.slow
def test_pickup_is_a_wave_stronger_than_the_noise():
    quiet, loud = expose(DEEP, 9, 2), expose(DEEP, 10, 2)
    assert loud.truth.conditions.mishap == "pickup"
    power = []
    for exposure in (quiet, loud):
        residual = _electrons(DEEP, exposure) - exposure.truth.clean_e
        rows = np.clip(residual - np.median(residual), -200, 200)
        spectrum = np.abs(np.fft.rfft(rows, axis=1)) ** 2
        mean = spectrum.mean(axis=0)[10:]
        power.append(mean.max() / np.median(mean))
    assert power[1] > 10 * power[0]


@pytest.mark.slow
def test_mishaps_are_on_the_frame():
    sharp = expose(WIDE, 3, 0)
    defocused, trailed = expose(WIDE, 4, 1), expose(WIDE, 8, 0)
    assert sharp.truth.conditions.mishap == ""
    assert defocused.truth.conditions.mishap == "defocused"
    assert trailed.truth.conditions.mishap == "trailed"
    assert sharp.truth.blur is None
    for bad in (defocused, trailed):
        assert bad.truth.blur is not None
        assert bad.truth.blur.sum() == pytest.approx(1, abs=1e-5)
        assert bad.truth.clean_e.max() < 0.3 * sharp.truth.clean_e.max()
        total = bad.truth.clean_e.sum(dtype=float) / bad.truth.transparency
        clear = sharp.truth.clean_e.sum(dtype=float) / sharp.truth.transparency
        assert total == pytest.approx(clear, rel=0.2)


def test_the_first_nights_are_good():
    for night in range(3):
        for index in range(3):
            of_frame = conditions(WIDE, night, index)
            assert of_frame.mishap == ""
            assert of_frame.transparency > 0.8
            assert of_frame.psf.fwhm_px < 4.0


@pytest.mark.slow
def test_a_full_frame_takes_less_than_the_allowed_time():
    plan = SimulationPlan(
        scene_name="deep", seed=1, shape=(768, 768), frames_per_night=3, first_mjd=6e4
    )
    expose(plan, 3, 0)  # catalogues and detector maps are made once per process
    start = time.process_time()
    expose(plan, 3, 1)
    assert time.process_time() - start < 0.7
