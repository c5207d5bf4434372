"""The sky under what hides it: galaxies, gradients, nebulae, crowds, vignetting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrid_assets.science.arrays import threads
from astrid_assets.science.sky.background import default_mesh, measure_background
from astrid_assets_tests.science.star_fields import crowd, paint

SIDE = 768
SHAPE = (SIDE, SIDE)
NOTHING_BAD = np.zeros(SHAPE, dtype=bool)
SKY_E, READ_NOISE_E = 300.0, 5.0
Y, X = np.mgrid[:SIDE, :SIDE].astype(float)


def observed(rng, light, sky=SKY_E):
    expected = light + sky
    noise = np.sqrt(np.maximum(expected, 0) + READ_NOISE_E**2)
    return (expected + noise * rng.normal(size=SHAPE)).astype(np.float32)


def stars(rng, n, fwhm_px=3.0):
    x, y = rng.uniform(0, SIDE, (2, n))
    return paint(SHAPE, x, y, np.minimum(800 * (1 + rng.pareto(0.9, n)), 2e5), fwhm_px)


def galaxy(central_e, diameter_px):
    """An inclined exponential disc with 90 per cent of its light inside."""
    radius = np.hypot(X - 0.45 * SIDE, (Y - 0.53 * SIDE) / 0.7)
    return central_e * np.exp(-radius / (diameter_px / 7.8)), radius


GRADIENTS = {
    "none": 0 * X,
    "moonlight": 60 * X / SIDE + 30 * Y / SIDE,
    "vignetting": -0.15 * SKY_E * ((X - SIDE / 2) ** 2 + (Y - SIDE / 2) ** 2) / SIDE**2,
}


@pytest.mark.slow
@pytest.mark.parametrize("gradient", GRADIENTS.values(), ids=GRADIENTS.keys())
def test_the_level_is_right_to_a_tenth_of_the_noise(rng, gradient):
    truth = SKY_E + gradient
    sky = measure_background(observed(rng, stars(rng, 250), truth), NOTHING_BAD)
    noise = np.sqrt(np.median(truth) + READ_NOISE_E**2)
    error = sky.level - truth
    assert abs(np.median(error)) < 0.03 * noise
    assert np.abs(error)[48:-48, 48:-48].max() < 0.3 * noise
    assert np.sqrt(np.mean(error[48:-48, 48:-48] ** 2)) < 0.1 * noise
    assert sky.rms_e == pytest.approx(noise, rel=0.02)
    spread = np.subtract(*np.percentile(truth, [98, 2]))
    assert sky.gradient_e == pytest.approx(spread, abs=0.15 * noise + 0.05 * spread)


@pytest.mark.slow
@pytest.mark.parametrize("central_e", [500.0, 3000.0])
@pytest.mark.parametrize("gradient", ["none", "moonlight"])
def test_a_galaxy_of_a_sixth_of_the_frame_keeps_its_light(rng, central_e, gradient):
    diameter = SIDE / 6
    light, radius = galaxy(central_e, diameter)
    truth = SKY_E + GRADIENTS[gradient]
    sky = measure_background(observed(rng, light + stars(rng, 150), truth), NOTHING_BAD)
    assert sky.mesh_px > default_mesh(SHAPE)
    within = radius < diameter / 2
    stolen = (sky.level - truth)[within].sum() / light[within].sum()
    assert abs(stolen) < 0.01


def test_a_mesh_that_is_asked_for_is_used(rng):
    light, _ = galaxy(3000.0, SIDE / 6)
    assert measure_background(observed(rng, light), NOTHING_BAD, 64).mesh_px == 64


@pytest.mark.slow
def test_a_nebula_wider_than_the_mesh_is_followed_and_its_noise_is_mapped(rng):
    nebula = 250 * np.exp(-((X - 300) ** 2 + (Y - 420) ** 2) / (2 * 200**2))
    sky = measure_background(observed(rng, nebula + stars(rng, 150)), NOTHING_BAD)
    noise = np.sqrt(SKY_E + READ_NOISE_E**2)
    assert np.abs(sky.level - SKY_E - nebula)[48:-48, 48:-48].max() < noise


@pytest.mark.slow
def test_a_crowd_of_stars_raises_the_sky_by_less_than_half_its_noise(rng):
    x, y = rng.uniform(0, SIDE / 3, (2, 650))
    flux = np.minimum(800 * (1 + rng.pareto(0.9, 650)), 2e5)
    # Painting takes time: nine times the same crowd.
    light = np.tile(paint((SIDE // 3, SIDE // 3), x, y, flux, 3.0), (3, 3))
    sky = measure_background(observed(rng, light), NOTHING_BAD)
    noise = np.sqrt(SKY_E + READ_NOISE_E**2)
    assert sky.source_fraction > 0.2
    assert sky.level_e - SKY_E < 0.5 * noise
    assert sky.rms_e == pytest.approx(noise, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("exposures", [1, 6, 30])
@pytest.mark.parametrize("faintest_e", [100.0, 800.0])
@pytest.mark.parametrize("per_mpx", [3_000, 15_000, 40_000])
def test_the_sky_of_a_crowd_is_right_to_what_its_light_leaves_open(
    rng, per_mpx, faintest_e, exposures
):
    """The sky shows only between the stars, and there shines their unresolved light.

    Confusion is a share of the light of the median pixel; a share of the noise is
    what stars below the noise add. Both err upwards only.
    """
    light = crowd(rng, per_mpx, SHAPE, faintest_e=faintest_e)
    noise = np.sqrt((SKY_E + READ_NOISE_E**2) / exposures)
    scatter = np.sqrt((light + SKY_E + READ_NOISE_E**2) / exposures)
    image = (SKY_E + light + scatter * rng.normal(size=SHAPE)).astype(np.float32)
    sky = measure_background(image, NOTHING_BAD)
    error = sky.level_e - SKY_E
    assert -0.05 * noise < error < 0.3 * noise + 0.3 * np.median(light)
    assert sky.gradient_e < 0.3 * noise + 0.3 * np.median(light)
    assert sky.rms_e == pytest.approx(noise, rel=0.15)


@pytest.mark.parametrize("share", [0.55, 0.8])
def test_a_frame_that_lacks_most_of_every_mesh_has_the_sky_of_the_rest(rng, share):
    truth = SKY_E + GRADIENTS["moonlight"]
    lost = rng.random(SHAPE) < share
    sky = measure_background(observed(rng, 0 * X, truth), lost)
    noise = np.sqrt(np.median(truth) + READ_NOISE_E**2)
    assert np.abs(sky.level - truth)[48:-48, 48:-48].max() < 0.3 * noise
    assert sky.rms_e == pytest.approx(noise, rel=0.05)


def test_a_trail_is_no_wide_source(rng):
    trail = np.where(np.abs(X - 0.7 * Y - 60) < 5, 400.0, 0.0)
    sky = measure_background(observed(rng, trail), NOTHING_BAD)
    assert sky.mesh_px == default_mesh(SHAPE)


@pytest.mark.slow
def test_the_number_of_threads_changes_no_bit(rng):
    image = observed(rng, stars(rng, 60))
    before = threads.threads()
    skies = []
    try:
        for number in (1, 3):
            threads.set_threads(number)
            skies.append(measure_background(image, NOTHING_BAD))
    finally:
        threads.set_threads(before)
    one, three = skies
    assert one.level.tobytes() == three.level.tobytes()
    assert one.rms.tobytes() == three.rms.tobytes()
    assert (one.level_e, one.rms_e) == (three.level_e, three.rms_e)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    shift=st.floats(-1000, 1000),
    factor=st.floats(0.1, 50),
    poison=st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_units_and_poison_change_nothing_else(seed, shift, factor, poison):
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 10, (200, 260)).astype(np.float32)
    bad = rng.random(image.shape) < 0.05
    plain = measure_background(image, bad)
    struck = (factor * image + shift).astype(np.float32)
    struck[bad] = poison
    other = measure_background(struck, bad)
    assert np.isfinite(other.level).all()
    assert (other.rms > 0).all()
    # Rounding may decide whether a pixel is clipped: a mesh's mean is known to 0.03 of
    # the noise of a pixel, and moves by no more.
    np.testing.assert_allclose(
        other.level, factor * plain.level + shift, atol=0.05 * 10 * factor + 1e-3
    )
    assert other.rms_e == pytest.approx(factor * plain.rms_e, rel=0.01)
