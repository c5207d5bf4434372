"""Laws of masks: growth, patches, and what NaN and saturation may reach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from astrid_assets.science.arrays.components import grow, label, patches
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.masking.bright_stars import halos_and_edges
from astrid_assets.science.masking.cosmic_rays import find_cosmic_rays
from astrid_assets.science.masking.defects import (
    bleeding_pixels,
    grown_saturation,
    impossible_pixels,
    missing_pixels,
    saturated_pixels,
)
from astrid_assets.science.masking.trails import find_trails
from astrid_assets.science.sky.background import measure_background
from astrid_assets_tests.science.patches import scipy_patches

SIDES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24)
MASKS = SIDES.flatmap(lambda shape: hnp.arrays(np.bool_, shape))
EIGHT = np.ones((3, 3), dtype=bool)
LEVEL = 60_000.0


@settings(deadline=None)
@given(mask=MASKS, pixels=st.integers(1, 4))
def test_growth_is_dilation_by_a_square(mask, pixels):
    expected = ndimage.binary_dilation(mask, EIGHT, iterations=pixels)
    assert np.array_equal(grow(mask, pixels), expected)


@pytest.mark.slow
@settings(deadline=None)
@given(mask=MASKS, more=st.data(), pixels=st.integers(0, 4))
def test_more_in_is_never_less_out(mask, more, pixels):
    larger = mask | more.draw(hnp.arrays(np.bool_, mask.shape))
    assert not (grow(mask, pixels) & ~grow(larger, pixels)).any()


@pytest.mark.slow
@settings(deadline=None)
@given(mask=MASKS)
def test_patches_are_scipys(mask):
    labels, count = label(mask)
    expected, n = scipy_patches(mask, EIGHT)
    assert count == n
    assert np.array_equal(labels, expected)
    row, column, number = patches(mask).pixels()
    assert np.array_equal(np.argwhere(mask), np.column_stack([row, column]))
    assert np.array_equal(labels[mask], number + 1)


def odd_frames():
    """Noise with NaN, infinity, full and overrun pixels anywhere."""
    odd = st.sampled_from([np.nan, np.inf, -np.inf, LEVEL, 7e4, -3e4, 1e20])
    places = st.tuples(st.integers(0, 63), st.integers(0, 63), odd)
    return st.tuples(st.integers(0, 99), st.lists(places, max_size=30))


def drawn(frame):
    seed, places = frame
    image = np.random.default_rng(seed).normal(300, 17, (64, 64)).astype(np.float32)
    for y, x, value in places:
        image[y, x] = value
    return image


def flat_sky(shape):
    noise = np.random.default_rng(0).normal(300, 17, shape).astype(np.float32)
    sky = measure_background(noise, np.zeros(shape, bool))
    level, rms = (np.full(shape, value, np.float32) for value in (300, 17))
    return replace(sky, level=level, rms=rms)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(frame=odd_frames())
def test_defects_stay_within_their_reach(frame):
    image = drawn(frame)
    sky, clean = flat_sky(image.shape), np.zeros(image.shape, np.uint16)
    data, mask = missing_pixels(image, clean)
    gone = ~np.isfinite(image)
    assert np.array_equal((mask & MaskBit.NO_DATA) != 0, gone)
    assert np.isfinite(data).all()
    again, twice = missing_pixels(data, mask)
    assert np.array_equal(again, data)
    assert np.array_equal(twice, mask)
    mask = impossible_pixels(data, saturated_pixels(data, mask, LEVEL), sky)
    assert np.array_equal(impossible_pixels(data, mask, sky), mask)
    odd = np.abs(data - 300) > 9 * 17
    assert not ((mask & ~np.uint16(MaskBit.NO_DATA)) != 0)[~odd].any()
    before = mask
    mask = grown_saturation(bleeding_pixels(data, mask, sky))
    assert not (before & ~mask).any()
    full = (before & MaskBit.SATURATED) != 0
    assert np.array_equal((mask & MaskBit.SATURATED) != 0, grow(full, 2))
    marked = halos_and_edges(mask, 3.0, data - sky.level, 17.0)
    assert not (mask & ~marked).any()


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(frame=odd_frames())
def test_cosmic_rays_and_trails_bear_anything(frame):
    image = drawn(frame)
    bad = ~np.isfinite(image)
    light = np.where(bad, 0, image - 300).astype(np.float32)
    variance = (np.maximum(light, 0) + 289).astype(np.float32)
    found = find_cosmic_rays(light, variance, bad)
    assert not (found & bad).any()
    # Charge is marked where it is or beside it; noise alone hardly ever is.
    odd = grow((np.abs(light) > 4.5 * 17) | bad, 3)
    assert np.count_nonzero(found & ~odd) <= 3
    assert find_trails(image - 300, np.sqrt(variance), bad) == []


@pytest.mark.parametrize("is_upright", [True, False])
def test_bleeding_is_found_along_columns_and_rows(rng, is_upright):
    image = rng.normal(300, 17, (200, 200)).astype(np.float32)
    y, x = np.mgrid[:200, :200]
    image[np.hypot(y - 100, x - 90) < 6] = LEVEL
    image[70:125, 89:92] = LEVEL
    image[60:70, 90] = 5000
    if not is_upright:
        image = np.ascontiguousarray(image.T)
    clean = np.zeros(image.shape, np.uint16)
    mask = saturated_pixels(image, clean, LEVEL)
    mask = bleeding_pixels(image, mask, flat_sky(image.shape))
    bled = (mask & MaskBit.BLEEDING) != 0
    bled = bled if is_upright else bled.T
    assert bled[60:92, 90].all()
    assert bled[110:125, 90].all()
    assert not bled[98:103, 84:97].any()
    assert np.flatnonzero(bled.any(axis=0)).tolist() == [88, 89, 90, 91, 92]
    assert not bled[:57].any()
    assert not bled[128:].any()


def test_a_round_star_does_not_bleed(rng):
    image = rng.normal(300, 17, (100, 100)).astype(np.float32)
    y, x = np.mgrid[:100, :100]
    image[np.hypot(y - 50, x - 40) < 6.5] = LEVEL
    clean = np.zeros(image.shape, np.uint16)
    mask = saturated_pixels(image, clean, LEVEL)
    assert np.array_equal(bleeding_pixels(image, mask, flat_sky(image.shape)), mask)


def bright_star(rng, flux, spikes_deg):
    """Draw a star with a power-law halo and spikes; return light, mask, middle."""
    y, x = np.mgrid[:401, :401]
    r = np.hypot(y - 200, x - 200)
    light = flux * (1 + (r / 3) ** 2) ** -1.5
    for angle_deg in spikes_deg:
        for turn in (0, np.pi):
            a = np.radians(angle_deg) + turn
            along = (x - 200) * np.cos(a) + (y - 200) * np.sin(a)
            across = -(x - 200) * np.sin(a) + (y - 200) * np.cos(a)
            arm = np.exp(-0.5 * (across / 1.3) ** 2) * (along > 0) * (along < 60)
            light = light + 170 * arm
    image = (light + rng.normal(0, 17, light.shape)).astype(np.float32)
    mask = saturated_pixels(image, np.zeros(image.shape, np.uint16), LEVEL)
    return image, grown_saturation(mask), r


def test_halos_reach_as_far_as_the_light(rng):
    sizes = []
    for flux in (2e5, 2e6):
        image, mask, r = bright_star(rng, flux, ())
        marked = halos_and_edges(mask, 3.0, image, 17.0)
        halo = (marked & MaskBit.HALO) != 0
        sizes.append(float(r[halo].max()))
        # The closed form: where the wings sink below one sigma.
        ends = 3 * np.sqrt((flux / 17) ** (2 / 3) - 1)
        assert sizes[-1] == pytest.approx(ends, rel=0.15)
        assert not (marked & MaskBit.SPIKE).any()
    assert sizes[1] > 1.5 * sizes[0]


def test_spikes_are_marked_along_their_length(rng):
    image, mask, r = bright_star(rng, 2e5, (30, 120))
    marked = halos_and_edges(mask, 3.0, image, 17.0)
    spike = (marked & MaskBit.SPIKE) != 0
    y, x = np.mgrid[:401, :401]
    for angle_deg in (30, 120, 210, 300):
        a = np.radians(angle_deg)
        along = (x - 200) * np.cos(a) + (y - 200) * np.sin(a)
        across = -(x - 200) * np.sin(a) + (y - 200) * np.cos(a)
        arm = (np.abs(across) < 1) & (along > 15) & (along < 52)
        assert spike[arm].mean() > 0.9
    assert not spike[r > 75].any()
    assert spike.mean() < 0.02
