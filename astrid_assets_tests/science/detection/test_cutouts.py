"""Cutouts: the right pixels in the right units, never a NaN."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.science.arrays.types import CUTOUT_SIZE
from astrid_assets.science.detection.cutouts import cut
from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.science.detection.sources import detect
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.errors import ShapeMismatch
from astrid_assets.science.simulation.pair import simulate_pair


@functools.cache
def case():
    pair = simulate_pair(5, (256, 256), n_transients=8, snr_range=(20, 60))
    difference = subtract(pair.science, pair.reference, DifferencingSettings())
    return pair, difference, detect(difference, pair.science, DetectionSettings())


@pytest.mark.slow
def test_the_candidate_is_the_middle_of_its_cutout():
    pair, difference, candidates = case()
    cutouts = cut(pair.science, difference, candidates)
    assert cutouts.shape == (len(candidates), 3, CUTOUT_SIZE, CUTOUT_SIZE)
    assert cutouts.dtype == np.float32
    for c, stamp in zip(candidates, cutouts, strict=True):
        assert stamp[2, 32, 32] == difference.score[round(c.y), round(c.x)]


def test_images_are_in_units_of_their_sky_noise():
    pair, difference, candidates = case()
    inner = [c for c in candidates if 40 < c.x < 215 and 40 < c.y < 215]
    science, reference, score = cut(pair.science, difference, inner)[0]
    for plane in (science, reference, score):
        low, middle = np.percentile(plane, [15.87, 50])
        assert middle - low == pytest.approx(1, abs=0.15)


def test_outside_the_frame_and_not_a_number_are_zero():
    pair, difference, candidates = case()
    corner = replace(candidates[0], x=0.0, y=0.0)
    data = pair.science.data.copy()
    data[3, 3] = np.nan
    (stamp,) = cut(replace(pair.science, data=data), difference, [corner])
    assert not stamp[:, :32].any()
    assert not stamp[:, :, :32].any()
    assert stamp[0, 35, 35] == 0
    assert stamp[0, 32:, 32:].any()
    assert np.isfinite(stamp).all()


def test_no_candidates_make_no_cutouts():
    pair, difference, _ = case()
    assert cut(pair.science, difference, []).shape == (0, 3, 64, 64)


def test_a_frame_of_another_shape_is_refused():
    pair, difference, candidates = case()
    with pytest.raises(ShapeMismatch):
        cut(replace(pair.science, data=pair.science.data[:100]), difference, candidates)
