"""Frame quality: every limit has its reason, and good frames have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.science.quality.frame_quality import (
    FieldStandard,
    FrameQuality,
    against_anchor,
    judge,
    quality_score,
)
from astrid_assets.science.quality.noise_pattern import noise_pattern
from astrid_assets.science.settings import ProcessingSettings

SETTINGS = ProcessingSettings()
STANDARD = FieldStandard(fwhm_px=3.0, sky_rms_e=20.0, exposure_s=60.0)
GOOD = FrameQuality(
    n_stars=80,
    fwhm_px=3.1,
    elongation=1.05,
    sky_level_e=400,
    sky_rms_e=20,
    bad_fraction=0.01,
    transparency=0.97,
    astrometric_rms_px=0.1,
    n_matched=70,
)


def codes(quality, exposure_s=60.0):
    reasons, flags = judge(against_anchor(quality, STANDARD, exposure_s), SETTINGS)
    return [r.code for r in reasons], [f.code for f in flags]


def test_a_good_frame_has_neither_reasons_nor_flags():
    assert codes(GOOD) == ([], [])
    assert quality_score(GOOD, SETTINGS, STANDARD) > 0.9


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"n_stars": 2}, "too_few_stars"),
        ({"fwhm_px": 7.0}, "defocused"),
        ({"elongation": 2.2}, "elongated_stars"),
        ({"transparency": 0.1}, "low_transparency"),
        ({"astrometric_rms_px": 1.7}, "bad_astrometry"),
        ({"bad_fraction": 0.5}, "missing_data"),
    ],
)
def test_each_limit_has_its_reason(change, code):
    worse = replace(GOOD, **change)
    reasons, _ = judge(against_anchor(worse, STANDARD, 60.0), SETTINGS)
    assert [r.code for r in reasons] == [code]
    assert reasons[0].measurements  # the numbers travel with the reason
    assert quality_score(worse, SETTINGS, STANDARD) <= quality_score(GOOD, SETTINGS, STANDARD)


def test_poor_seeing_and_mild_elongation_are_only_flagged():
    assert codes(replace(GOOD, fwhm_px=4.8)) == ([], ["poor_seeing"])
    assert codes(replace(GOOD, elongation=1.4)) == ([], ["elongated_stars"])


def test_a_sky_near_saturation_is_bright():
    reasons, _ = codes(replace(GOOD, others={"sky_fraction": 50_000 / 65_000}))
    assert reasons == ["sky_near_saturation"]


def test_a_longer_exposure_may_have_more_noise():
    noisier = replace(GOOD, sky_rms_e=20 * np.sqrt(30))
    assert codes(noisier)[1] == ["bright_sky"]
    assert codes(noisier, exposure_s=1800.0) == ([], [])


def pattern_codes(image):
    pattern = noise_pattern(
        image.astype(np.float32), np.full(image.shape, 10, np.float32), np.zeros(image.shape, bool)
    )
    reasons, flags = judge(replace(GOOD, others=pattern.numbers()), SETTINGS)
    return [r.code for r in reasons], [f.code for f in flags]


def test_white_noise_has_no_pattern(rng):
    assert pattern_codes(rng.normal(0, 10, (400, 300))) == ([], [])


def test_failed_columns_are_a_readout_failure(rng):
    image = rng.normal(0, 10, (400, 300)) + rng.normal(0, 10, 300)[None, :]
    assert pattern_codes(image)[0] == ["line_noise"]


def test_a_strong_wave_is_rejected_and_a_weak_one_flagged(rng):
    y, x = np.mgrid[:400, :300]
    wave = np.sin(2 * np.pi * (x / 9 + y / 50))
    noise = rng.normal(0, 10, wave.shape)
    assert pattern_codes(noise + 12 * wave)[0] == ["noise_wave"]
    assert pattern_codes(noise + 4 * wave) == ([], ["noise_wave"])
