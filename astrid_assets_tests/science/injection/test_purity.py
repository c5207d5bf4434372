"""Purity by asking another frame equals the known share of what is on the sky."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.science.detection.sources import detect
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.injection.purity import DEEP_ENOUGH_SIGMA, repeats
from astrid_assets.science.injection.sources import Injections, inject, plan_injections
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.settings import InjectionSettings
from astrid_assets.science.simulation.pair import simulate_pair

N_REAL, N_FALSE = 20, 20


@functools.cache
def night():
    """Two frames of one sky; one of them has `N_FALSE` sources that nobody else saw."""
    pair = simulate_pair(
        11,
        (512, 512),
        n_transients=N_REAL,
        snr_range=(8, 40),
        negative_fraction=0.3,
        stars_per_mpx=1500,
    )
    rng = np.random.default_rng(7)
    sigma, variance = pair.science.sky_rms_e, pair.science.variance
    assert sigma is not None
    assert variance is not None
    noise = rng.normal(0, 0.7 * sigma, pair.science.shape)
    second = replace(
        pair.science,
        data=(pair.science.data + noise).astype(np.float32),
        variance=variance + np.float32((0.7 * sigma) ** 2),
    )
    clean = subtract(pair.science, pair.reference, DifferencingSettings())
    settings = InjectionSettings(per_frame=N_FALSE, min_snr=8, max_snr=40)
    false = plan_injections(rng, pair.science, clean, np.empty((0, 2)), settings)
    first = inject(rng, pair.science, false)
    found = detect(
        subtract(first, pair.reference, DifferencingSettings()), first, DetectionSettings()
    )
    other = subtract(second, pair.reference, DifferencingSettings())
    return pair, false, found, other


def is_false(candidate, false: Injections) -> bool:
    near = np.hypot(false.x - candidate.x, false.y - candidate.y)
    return bool(near.min() < 3)


@pytest.mark.slow
def test_the_share_seen_twice_is_the_true_purity():
    _, false, found, other = night()
    kept = [candidate for candidate in found if candidate.is_kept]
    truth = 1 - np.mean([is_false(candidate, false) for candidate in kept])
    seen = repeats(found, other)
    assert len(seen.score) > 0.8 * (N_REAL + N_FALSE)
    assert seen.repeated.mean() == pytest.approx(truth, abs=0.05)
    assert 0.4 < truth < 0.6


@pytest.mark.slow
def test_each_kind_is_told_by_itself():
    _, false, found, other = night()
    real = [candidate for candidate in found if not is_false(candidate, false)]
    made = [candidate for candidate in found if is_false(candidate, false)]
    assert repeats(real, other).repeated.mean() > 0.9
    assert repeats(made, other).repeated.mean() < 0.1


@pytest.mark.slow
def test_what_the_other_frame_cannot_show_is_not_asked():
    _, _, found, other = night()
    masked = other.mask | np.uint16(MaskBit.SATURATED)
    assert len(repeats(found, replace(other, mask=masked)).score) == 0
    shallow = replace(other, flux_err=other.flux_err * np.float32(100))
    assert len(repeats(found, shallow).score) == 0
    bright = repeats(found, other, scale=0.5)
    everything = repeats(found, other)
    assert len(bright.score) < len(everything.score)
    assert np.abs(bright.score).min() > DEEP_ENOUGH_SIGMA


def test_a_source_off_the_other_frame_is_not_asked():
    _, _, found, other = night()
    moved = other.wcs.deepcopy()
    moved.wcs.crval = [151.0, 2.0]
    assert len(repeats(found, replace(other, wcs=moved)).score) == 0


def test_the_flank_of_something_brighter_is_no_repetition():
    _, _, found, other = night()
    moved = other.wcs.deepcopy()
    moved.wcs.crpix += np.array([5.0, 0])
    assert repeats(found, replace(other, wcs=moved)).repeated.mean() < 0.1


def test_scores_keep_their_sign():
    _, _, found, other = night()
    score = repeats(found, other).score
    assert (score < 0).any()
    assert (score > 0).any()


def test_the_opposite_sign_is_no_repetition():
    _, _, found, other = night()
    turned = replace(other, score=-other.score)
    assert repeats(found, turned).repeated.mean() < 0.1


def test_a_frame_without_detections_has_nothing_to_ask():
    *_, other = night()
    assert len(repeats([], other).score) == 0
