"""The variance plane against the scatter that frames really have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.science.calibration.masters import Masters
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.processing.measuring import measure_frame
from astrid_assets.science.settings import ProcessingSettings
from astrid_assets_tests.science.star_fields import paint, raw_frame

SHAPE, SKY_E, READ_NOISE_E = (512, 512), 400.0, 6.0
SETTINGS = ProcessingSettings(remove_cosmic_rays=False)


def exposure(rng, response):
    """Return the true light and a frame of it behind a detector's response."""
    n = 150
    x, y = rng.uniform(0, SHAPE[1], n), rng.uniform(0, SHAPE[0], n)
    light = paint(SHAPE, x, y, 3e3 * (1 + rng.pareto(1.0, n)), 3.0)
    seen = rng.poisson((light + SKY_E) * response)
    image = seen + rng.normal(0, READ_NOISE_E, SHAPE)
    frame = raw_frame(image.astype(np.float32))
    return light, replace(frame, read_noise_e=READ_NOISE_E)


def responses():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] / SHAPE[0] - 0.5
    vignetted = (1.15 - 0.9 * (x**2 + y**2)).astype(np.float32)
    return {"even": np.ones(SHAPE, np.float32), "vignetted": vignetted}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["even", "vignetted"])
def test_variance_is_the_scatter_within_three_percent(rng, name):
    response = responses()[name]
    masters = Masters(flat=response) if name == "vignetted" else None
    sky, stars = [], []
    for _ in range(3):
        light, frame = exposure(rng, response)
        found = measure_frame(frame, masters, SETTINGS).frame
        assert found.variance is not None
        pull = (found.data - light) / np.sqrt(found.variance)
        good = (found.mask & ~np.uint16(MaskBit.EDGE)) == 0
        sky.append(pull[good & (light < 0.5)])
        stars.append(pull[good & (light > 2 * SKY_E)])
    assert np.std(np.concatenate(sky)) == pytest.approx(1, abs=0.03)
    assert len(np.concatenate(stars)) > 1000
    assert np.std(np.concatenate(stars)) == pytest.approx(1, abs=0.03)


@pytest.mark.slow
def test_noise_as_predicted_is_not_flagged_and_a_wrong_gain_is(rng):
    response = responses()["even"]
    _, frame = exposure(rng, response)
    right = measure_frame(frame, Masters(flat=response), SETTINGS)
    assert right.noise_ratio == pytest.approx(1, abs=0.05)
    assert "noise_ratio" not in {flag.code for flag in right.flags}
    # A gain read as half the true one halves signal and noise, not their squares.
    half = replace(frame, data=frame.data / 2)
    wrong = measure_frame(half, Masters(flat=response), SETTINGS)
    assert wrong.noise_ratio == pytest.approx(np.sqrt(0.5), abs=0.05)
    assert "noise_ratio" in {flag.code for flag in wrong.flags}


@pytest.mark.slow
def test_calibrated_frames_predict_no_noise(rng):
    _, frame = exposure(rng, responses()["even"])
    assert np.isnan(measure_frame(frame, None, SETTINGS).noise_ratio)


@pytest.mark.slow
def test_positive_noise_is_no_light_where_the_sky_has_few_electrons(rng):
    """With 2 electrons of noise, rectified noise would add a fifth to the variance."""
    x, y = rng.uniform(0, 512, (2, 80))
    light = paint(SHAPE, x, y, np.full(80, 2e3), 3.0)
    image = rng.poisson(light + 4).astype(np.float32)
    frame = replace(raw_frame(image), read_noise_e=0.0)
    found = measure_frame(frame, None, SETTINGS).frame
    assert found.variance is not None
    blank = (light < 0.01) & (found.mask == 0)
    scatter = float(np.std((found.data - light)[blank]))
    # Clipping takes 4 % from the skewed scatter of so few electrons.
    assert np.mean(found.variance[blank]) == pytest.approx(scatter**2, rel=0.06)
    on_stars = (light > 40) & (found.mask == 0)
    assert np.mean(found.variance[on_stars]) == pytest.approx(
        np.mean(light[on_stars]) + 4, rel=0.03
    )
