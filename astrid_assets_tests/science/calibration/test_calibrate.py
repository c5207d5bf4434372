"""Applying masters: the formula, its properties, and ccdproc's answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.nddata import CCDData
from ccdproc import flat_correct, subtract_bias, subtract_dark
from hypothesis import given, settings
from hypothesis import strategies as st

from astrid_assets.science.arrays import threads
from astrid_assets.science.calibration.calibrate import calibrate
from astrid_assets.science.calibration.masters import Masters
from astrid_assets.science.errors import ShapeMismatch
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets_tests.science.star_fields import raw_frame

SHAPE = (130, 110)


def masters_of(rng: np.random.Generator, **changes: Any) -> Masters:
    flat = rng.uniform(0.7, 1.2, SHAPE).astype(np.float32)
    images: dict[str, Any] = {
        "bias": rng.normal(1000, 3, SHAPE).astype(np.float32),
        "dark": rng.uniform(0, 0.5, SHAPE).astype(np.float32),
        "flat": flat / np.median(flat),
    }
    return Masters(**(images | changes))


def frame_of(data: np.ndarray, exposure_s: float = 60.0):
    return replace(raw_frame(data.astype(np.float32)), exposure_s=exposure_s, saturation_e=5e4)


def test_ccdproc_gives_the_same_pixels(rng):
    masters = masters_of(rng)
    frame = frame_of(rng.uniform(1500, 40_000, SHAPE))

    def ccd(image, **meta):
        return CCDData(np.asarray(image, np.float64), unit="electron", meta=meta)

    theirs = subtract_bias(ccd(frame.data), ccd(masters.bias))
    theirs = subtract_dark(
        theirs, ccd(masters.dark), dark_exposure=1 * u.s, data_exposure=60 * u.s, scale=True
    )
    theirs = flat_correct(theirs, ccd(masters.flat), norm_value=1.0)
    np.testing.assert_allclose(
        calibrate(frame, masters).data, np.asarray(theirs.data), rtol=2e-5, atol=2e-3
    )


@given(time=st.floats(1, 600), factor=st.floats(1, 5))
@settings(max_examples=15, deadline=None)
def test_the_dark_scales_with_exposure(time, factor):
    rng = np.random.default_rng(3)
    dark = rng.uniform(0, 0.5, SHAPE).astype(np.float32)
    raw = rng.uniform(100, 200, SHAPE)
    short = calibrate(frame_of(raw, time), Masters(dark=dark)).data
    long = calibrate(frame_of(raw, time * factor), Masters(dark=dark)).data
    taken, more = raw - short, raw - long
    np.testing.assert_allclose(more, taken * factor, rtol=1e-3, atol=1e-3)


@given(scale=st.sampled_from([0.5, 2.0, 4.0]), seed=st.integers(0, 100))
@settings(max_examples=10, deadline=None)
def test_light_comes_out_in_proportion(scale, seed):
    rng = np.random.default_rng(seed)
    masters = masters_of(rng)
    light = rng.uniform(10, 5000, SHAPE).astype(np.float32)
    assert masters.bias is not None
    assert masters.dark is not None
    dark = masters.bias + masters.dark * np.float32(60)
    one = calibrate(frame_of(dark + light), masters).data
    more = calibrate(frame_of(dark + light * np.float32(scale)), masters).data
    np.testing.assert_allclose(more, one * scale, rtol=1e-3, atol=0.05)


@given(bad=st.sampled_from([np.nan, np.inf]), y=st.integers(0, 129), x=st.integers(0, 109))
@settings(max_examples=20, deadline=None)
def test_what_is_not_finite_touches_no_other_pixel(bad, y, x):
    rng = np.random.default_rng(4)
    masters = masters_of(rng)
    raw = rng.uniform(1500, 4000, SHAPE)
    clean = calibrate(frame_of(raw), masters)
    raw[y, x] = bad
    out = calibrate(frame_of(raw), masters)
    others = np.ones(SHAPE, bool)
    others[y, x] = False
    np.testing.assert_array_equal(out.data[others], clean.data[others])
    np.testing.assert_array_equal(out.mask[others], clean.mask[others])
    assert not np.isfinite(out.data[y, x])


def test_bad_masters_mark_their_pixels_and_no_others(rng):
    masters = masters_of(rng)
    assert masters.bias is not None
    assert masters.flat is not None
    assert masters.dark is not None
    masters.bias[5, 5] = 9000
    masters.bias[5, 6] = np.nan
    masters.flat[7, 7] = 0.05
    masters.flat[7, 8] = np.nan
    masters.dark[9, 9] = 500.0
    listed = np.zeros(SHAPE, bool)
    listed[11, 11] = True
    masters = replace(masters, bad_pixels=listed)
    out = calibrate(frame_of(rng.uniform(1500, 4000, SHAPE)), masters)
    bad = (out.mask & MaskBit.BAD) != 0
    assert {(int(y), int(x)) for y, x in np.argwhere(bad)} == {
        (5, 5),
        (5, 6),
        (7, 7),
        (7, 8),
        (11, 11),
    }
    assert np.argwhere(out.mask & MaskBit.HOT).tolist() == [[9, 9]]
    # A dead pixel is not blown up by its flat.
    assert np.abs(out.data[7, 7]) < 5000


def test_saturation_is_judged_before_anything_is_taken_off(rng):
    masters = masters_of(rng)
    raw = np.full(SHAPE, 3000.0)
    raw[20, 20], raw[21, 20] = 50_000, 49_999
    out = calibrate(frame_of(raw), masters)
    assert np.argwhere(out.mask & MaskBit.SATURATED).tolist() == [[20, 20]]
    assert out.saturation_e == pytest.approx(49_000, abs=2)


def test_the_given_frame_and_its_mask_stay_as_they_are(rng):
    masters = masters_of(rng)
    frame = frame_of(rng.uniform(1500, 4000, SHAPE))
    frame.mask[3, 3] = MaskBit.NO_DATA
    data, mask = frame.data.copy(), frame.mask.copy()
    out = calibrate(frame, masters)
    np.testing.assert_array_equal(frame.data, data)
    np.testing.assert_array_equal(frame.mask, mask)
    assert out.mask[3, 3] & MaskBit.NO_DATA


def test_no_masters_leave_every_byte(rng):
    frame = frame_of(rng.uniform(1500, 4000, SHAPE))
    assert calibrate(frame, Masters()) is frame


def test_masters_of_different_shapes_are_refused(rng):
    masters = masters_of(rng, flat=np.ones((3, 3), np.float32))
    with pytest.raises(ShapeMismatch):
        calibrate(frame_of(rng.uniform(1500, 4000, SHAPE)), masters)


def test_threads_change_no_byte(rng):
    masters = masters_of(rng)
    frame = frame_of(rng.uniform(1500, 60_000, SHAPE))
    before = threads.threads()
    try:
        threads.set_threads(1)
        one = calibrate(frame, masters)
        threads.set_threads(2)
        two = calibrate(frame, masters)
    finally:
        threads.set_threads(before)
    assert one.data.tobytes() == two.data.tobytes()
    assert one.mask.tobytes() == two.mask.tobytes()
