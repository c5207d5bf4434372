"""The gradient of the sky: measured as it was put in, flagged where a limit is set."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.processing.measuring import measure_frame
from astrid_assets.science.settings import ProcessingSettings
from astrid_assets_tests.science.star_fields import paint, raw_frame

SHAPE = (512, 512)
SKY_E, READ_NOISE_E = 400.0, 6.0
NOISE_E = np.sqrt(SKY_E + READ_NOISE_E**2)
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]] / (SHAPE[0] - 1) - 0.5
RISES = {"columns": X, "rows": Y, "diagonal": (X + Y) / 2}
"""Planes that rise by 1 over the frame."""

INSIDE = {"columns": 0.96, "rows": 0.96, "diagonal": 0.8}
"""What the 2nd and 98th percentile leave of a plane: exact for uniform values and for
the sum of two."""

SETTINGS = {"remove_cosmic_rays": False, "mask_trails": False}


def measured(rng, plane, *, sky_e=SKY_E, **settings):
    """Measure a field of stars on a sky of constant noise with a plane on top."""
    x, y = rng.uniform(0, SHAPE[0], (2, 100))
    light = paint(SHAPE, x, y, 3e3 * (1 + rng.pareto(1.0, 100)), 3.0)
    image = rng.poisson(light) + sky_e + plane + rng.normal(0, NOISE_E, SHAPE)
    return measure_frame(
        raw_frame(image.astype(np.float32)), None, ProcessingSettings(**SETTINGS, **settings)
    )


@pytest.mark.slow
@pytest.mark.parametrize("along", RISES)
@pytest.mark.parametrize("sigma", [2.0, 20.0])
def test_a_plane_is_measured_within_four_percent(rng, along, sigma):
    found = measured(rng, sigma * NOISE_E * RISES[along])
    assert found.numbers["sky_gradient"] == pytest.approx(INSIDE[along] * sigma, rel=0.04)


@pytest.mark.slow
def test_a_flat_sky_has_a_gradient_below_a_fifth_of_the_noise(rng):
    assert 0 < measured(rng, 0.0).numbers["sky_gradient"] < 0.2


@pytest.mark.slow
def test_a_sky_that_was_subtracted_keeps_its_gradient(rng):
    plane = 10 * NOISE_E * X
    found = measured(rng, plane, sky_e=0.0)
    assert abs(found.sky_level_e) < NOISE_E / 2  # a ratio to this level would mean nothing
    assert found.numbers["sky_gradient"] == pytest.approx(9.6, rel=0.04)


@pytest.mark.slow
def test_without_a_limit_nothing_is_flagged(rng):
    found = measured(rng, 40 * NOISE_E * X)
    assert found.numbers["sky_gradient"] > 30
    assert "sky_gradient" not in {note.code for note in (*found.reasons, *found.flags)}


@pytest.mark.slow
def test_above_the_limit_a_frame_is_flagged_with_value_limit_and_setting(rng):
    found = measured(rng, 20 * NOISE_E * X, max_sky_gradient=12.5)
    assert found.reasons == ()
    (flag,) = [flag for flag in found.flags if flag.code == "sky_gradient"]
    value = found.numbers["sky_gradient"]
    assert flag.measurements == {"sky_gradient": value, "limit": 12.5}
    assert flag.message == (
        f"the sky varies by {value:.1f} sigma over the frame, at most 12.5 sigma accepted by "
        "[processing] max_sky_gradient; likely moonlight, twilight, scattered light, or a flat "
        "that does not fit"
    )


@pytest.mark.slow
def test_a_frame_within_the_limit_is_not_flagged(rng):
    found = measured(rng, 20 * NOISE_E * X, max_sky_gradient=25.0)
    assert "sky_gradient" not in {flag.code for flag in found.flags}
