"""Patterns in the noise: what was put in is measured, stars and defects are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.science.arrays import threads
from astrid_assets.science.processing.measuring import measure_frame
from astrid_assets.science.quality.frame_quality import FrameQuality, judge
from astrid_assets.science.quality.noise_pattern import NoisePattern, noise_pattern
from astrid_assets.science.settings import ProcessingSettings
from astrid_assets_tests.science.star_fields import crowd, paint, raw_frame

SHAPE = (500, 611)  # odd sides: neither blocks nor halves fit
NOISE_E = 10.0
Y, X = np.mgrid[: SHAPE[0], : SHAPE[1]]
NOTHING_BAD = np.zeros(SHAPE, dtype=bool)


def pattern_of(image, bad=NOTHING_BAD):
    rms = np.full(SHAPE, NOISE_E, np.float32)
    return noise_pattern(image.astype(np.float32), rms, bad)


def white(rng):
    return rng.normal(0, NOISE_E, SHAPE)


@pytest.mark.parametrize(("amplitude", "period"), [(3.0, 7.3), (6.0, 2.6), (4.0, 31.0)])
def test_a_wave_has_the_amplitude_it_was_given(rng, amplitude, period):
    wave = amplitude * np.sin(2 * np.pi * (0.8 * X + 0.6 * Y) / period)
    image = white(rng) + wave
    # A wave between two frequencies of the transform loses a part of its height.
    expected = amplitude / image.std()
    assert 0.4 * expected < pattern_of(image).wave < 1.1 * expected


def test_waves_along_an_axis_or_slower_than_the_sky_do_not_count(rng):
    for slow in (np.sin(2 * np.pi * X / 9), np.sin(2 * np.pi * (X + Y) / 120)):
        assert pattern_of(white(rng) + 5 * slow).wave < 0.05


def test_offsets_of_columns_and_rows_scatter_as_they_should(rng):
    for axis, name in ((0, "columns"), (1, "rows")):
        shape = [1, 1]
        shape[1 - axis] = SHAPE[1 - axis]
        image = white(rng) + rng.normal(0, 2, shape)
        own = np.hypot(NOISE_E, 2)
        expected = np.sqrt(NOISE_E**2 + SHAPE[axis] * 4) / own
        pattern = pattern_of(image)
        assert getattr(pattern, name) == pytest.approx(expected, rel=0.15)
        other = {"columns": "rows", "rows": "columns"}[name]
        assert getattr(pattern, other) == pytest.approx(1, abs=0.15)


def test_bands_of_sixteen_pixels_are_a_ripple(rng):
    bands = np.repeat(rng.normal(0, 4, (SHAPE[0], 39)), 16, axis=1)[:, : SHAPE[1]]
    expected = np.sqrt((NOISE_E**2 + 16 * 16) / (NOISE_E**2 + 16))
    assert pattern_of(white(rng) + bands).ripple == pytest.approx(expected, rel=0.05)


@pytest.mark.slow
def test_stars_and_bad_pixels_are_no_pattern(rng):
    x, y = rng.uniform(30, 470, (2, 150))
    image = white(rng) + paint(SHAPE, x, y, rng.uniform(500, 50_000, 150), 3.5)
    bad = rng.random(SHAPE) < 0.02
    image[bad] = np.nan
    pattern = pattern_of(image, bad)
    assert pattern.wave < 0.05
    assert pattern.columns == pytest.approx(1, abs=0.3)
    assert pattern.rows == pytest.approx(1, abs=0.3)
    assert pattern.ripple == pytest.approx(1, abs=0.08)


def test_a_frame_without_sky_is_not_measured():
    pattern = pattern_of(np.zeros(SHAPE), np.ones(SHAPE, bool))
    assert all(np.isnan(value) for value in vars(pattern).values())


def test_columns_without_enough_sky_are_not_called_white(rng):
    image = white(rng)
    image[:, ::2] += 40 * NOISE_E
    image[: SHAPE[0] * 2 // 3] += 40 * NOISE_E
    pattern = pattern_of(image)
    assert np.isnan(pattern.columns)
    assert np.isnan(pattern.ripple)


@pytest.mark.slow
@pytest.mark.parametrize("faintest_e", [100.0, 800.0])
@pytest.mark.parametrize("per_mpx", [15_000, 40_000])
def test_a_crowd_is_no_failed_readout(rng, per_mpx, faintest_e):
    light = crowd(rng, per_mpx, SHAPE, faintest_e=faintest_e)
    scatter = np.sqrt((light + 425) / 6)
    image = (400 + light + scatter * rng.normal(size=SHAPE)).astype(np.float32)
    measured = measure_frame(raw_frame(image), None, ProcessingSettings())
    assert measured.reasons == ()
    values = np.array(list(measured.numbers.values()))
    assert not np.isinf(values).any()


@pytest.mark.parametrize("broken", ["columns", "rows"])
def test_what_stars_hide_breaks_no_limit_and_hides_no_failure(broken):
    hidden = dict.fromkeys(["columns", "rows", "ripple", "wave"], float("nan"))
    quality = FrameQuality(
        n_stars=500, fwhm_px=3, elongation=1, sky_level_e=1, sky_rms_e=1, bad_fraction=0
    )
    settings = ProcessingSettings()
    unseen = replace(quality, others=NoisePattern(**hidden).numbers())
    assert judge(unseen, settings) == ([], [])
    failed = NoisePattern(**{**hidden, broken: 50.0})
    reasons, _ = judge(replace(quality, others=failed.numbers()), settings)
    assert [reason.code for reason in reasons] == ["line_noise"]
    assert reasons[0].measurements["line_noise"] == 50


def test_the_number_of_threads_changes_nothing(rng):
    image, before, found = white(rng), threads.threads(), []
    try:
        for number in (1, 3):
            threads.set_threads(number)
            found.append(pattern_of(image))
    finally:
        threads.set_threads(before)
    assert found[0] == found[1]
