"""Zero points of whole simulated frames, raw to solved, against the truth."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from astrid_assets.science.calibration.masters import Masters, make_master
from astrid_assets.science.frame import Frame
from astrid_assets.science.processing.anchor import make_anchor
from astrid_assets.science.processing.measuring import measure_frame
from astrid_assets.science.processing.solving import solve_frame
from astrid_assets.science.settings import ProcessingSettings
from astrid_assets.science.simulation.detector import calibration_adu
from astrid_assets.science.simulation.exposure import expose
from astrid_assets.science.simulation.scene import SimulationPlan

pytestmark = pytest.mark.slow

SETTINGS = ProcessingSettings()
FRAMES = [(0, 1), (0, 2), (1, 0), (2, 1), (3, 0), (4, 2)]
HALF_A_PERCENT_MAG = 0.0054


def errors_mag(scene: Literal["wide", "deep"], seed: int) -> list[float]:
    """Return zero point minus truth for frames without mishap."""
    plan = SimulationPlan(
        scene_name=scene, seed=seed, shape=(768, 768), frames_per_night=3, first_mjd=60735.0
    )
    gain, time = np.float32(plan.scene.gain_e_per_adu), plan.scene.exposure_s

    def calibration(kind):
        return [calibration_adu(plan, kind, k) * gain for k in range(5)]

    bias = make_master(calibration("bias"), "bias").image
    dark = make_master(calibration("dark"), "dark", bias=bias, exposures_s=[time] * 5).image
    flat = make_master(calibration("flat"), "flat", bias=bias).image
    masters = Masters(bias=bias, dark=dark, flat=flat)

    def measured(night, index):
        exposure, scene = expose(plan, night, index), plan.scene
        frame = Frame(
            frame_id=f"{night}.{index}",
            data=exposure.adu.astype(np.float32) * gain,
            mask=np.zeros(plan.shape, np.uint16),
            wcs=exposure.truth.wcs,
            observed_mjd=60735.0 + night,
            exposure_s=time,
            band="r",
            gain_e_per_adu=float(gain),
            read_noise_e=scene.read_noise_e,
            saturation_e=0.95 * scene.full_well_e,
        )
        return exposure.truth, measure_frame(frame, masters, SETTINGS)

    truth0, first = measured(0, 0)
    anchor = make_anchor(first, SETTINGS)
    errors = []
    for place in FRAMES:
        truth, found = measured(*place)
        processed = solve_frame(found, anchor, SETTINGS)
        if not processed.is_accepted or truth.transparency < 0.8 * truth0.transparency:
            continue
        assert processed.zero_point is not None
        expected = truth.zero_point_mag - truth0.zero_point_mag
        errors.append(processed.zero_point.mag - anchor.zero_point_mag - expected)
    return errors


@pytest.mark.parametrize(("scene", "seed"), [("wide", 3), ("deep", 11)])
def test_zero_points_are_right_within_half_a_per_cent(scene, seed):
    errors = np.array(errors_mag(scene, seed))
    assert len(errors) >= 4
    # Of single frames the scatter is 0.3 %; one in twelve exceeds half a per cent.
    assert np.sqrt(np.mean(errors**2)) < HALF_A_PERCENT_MAG
    assert np.median(np.abs(errors)) < HALF_A_PERCENT_MAG / 2
