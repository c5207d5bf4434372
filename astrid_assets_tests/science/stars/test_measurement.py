"""Stars: where they are, how bright, how wide, against what was painted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree

from astrid_assets.science.arrays import threads
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.psf.fitting import fit_psf
from astrid_assets.science.stars.finding import half_sample_mode
from astrid_assets.science.stars.measurement import (
    StarFlag,
    measure_stars,
    select,
    typical_shape,
    with_psf_fluxes,
)
from astrid_assets.science.stars.shapes import measure_star_shapes
from astrid_assets_tests.science.star_fields import (
    Field,
    flat_frame,
    noisy,
    paint,
    star_field,
)

if TYPE_CHECKING:
    from astrid_assets.science.frame import Frame


def matched(field: Field, frame: Frame):
    """Return the stars and, per painted star, the index of the nearest within 1 px."""
    stars = measure_stars(frame)
    points = np.column_stack([stars.x, stars.y])
    distance, index = KDTree(points).query(np.column_stack([field.x, field.y]))
    return stars, np.where(distance < 1, index, -1)


def test_bright_stars_are_found_within_a_tenth_of_a_pixel(rng):
    field = star_field(rng, 60)
    stars, index = matched(field, flat_frame(field.image, 300, 5))
    bright = (field.flux > 5000) & (np.minimum(field.x, field.y) > 10)
    bright &= (field.x < 370) & (field.y < 370)
    assert np.mean(index[bright] >= 0) > 0.95
    ok = bright & (index >= 0)
    ok[ok] = stars.flag[index[ok]] == 0
    assert ok.sum() > 5
    off = np.hypot(stars.x[index[ok]] - field.x[ok], stars.y[index[ok]] - field.y[ok])
    assert np.median(off) < 0.05
    assert off.max() < 0.15


def test_psf_fluxes_agree_with_what_was_painted(rng):
    field = star_field(rng, 60)
    frame = flat_frame(field.image, 300, 5)
    psf = fit_psf(frame, measure_stars(frame))
    stars, index = matched(field, replace(frame, psf=psf))
    ok = (field.flux > 5000) & (index >= 0)
    ok[ok] = stars.flag[index[ok]] == 0
    ratio = stars.flux[index[ok]] / field.flux[ok]
    assert ok.sum() > 5
    assert np.median(ratio) == pytest.approx(1, abs=0.03)


@pytest.mark.slow
def test_psf_flux_errors_are_honest(rng):
    n = 100
    y, x = (g.ravel() + 20.3 for g in np.mgrid[:10, :10] * 36.0)
    flux = np.full(n, 6000.0)
    light = paint((384, 384), x, y, flux, 3.0)
    frame = flat_frame(noisy(rng, light), 300, 5)
    stars = measure_stars(frame)
    stars = with_psf_fluxes(stars, replace(frame, psf=fit_psf(frame, stars)))
    clean = (stars.flag == 0) & (stars.flux > 3000)
    assert clean.sum() > 80
    scatter = np.std(stars.flux[clean])
    assert np.median(stars.flux_err[clean]) == pytest.approx(scatter, rel=0.25)


@pytest.mark.slow
def test_width_and_axis_ratio_are_those_of_the_stars(rng):
    field = star_field(rng, 40, fwhm_px=4.0, elongation=1.5)
    frame = flat_frame(field.image, 300, 5)
    psf = fit_psf(frame, measure_stars(frame))
    fwhm, elongation = typical_shape(measure_stars(replace(frame, psf=psf)))
    assert fwhm == pytest.approx(4.0, rel=0.06)
    assert elongation == pytest.approx(1.5, abs=0.1)


def test_adaptive_moments_are_exact_for_a_gaussian():
    y, x = np.mgrid[:41, :41].astype(float)
    u, v = x - 20.3, y - 19.6
    image = np.exp(-0.5 * ((u / 2.5) ** 2 + (v / 1.7) ** 2)).astype(np.float32)
    at = np.array([20.0]), np.array([20.0])
    shapes = measure_star_shapes(image, np.ones(image.shape, bool), *at, 6.0)
    assert shapes.x[0] == pytest.approx(20.3, abs=0.01)
    assert shapes.y[0] == pytest.approx(19.6, abs=0.01)
    assert shapes.fwhm_px[0] == pytest.approx(2.3548 * np.sqrt(2.5 * 1.7), rel=0.02)
    assert shapes.elongation[0] == pytest.approx(2.5 / 1.7, rel=0.03)


def test_blank_sky_holds_hardly_any_star(rng):
    frame = flat_frame(noisy(rng, np.zeros((384, 384))), 300, 5)
    assert len(measure_stars(frame)) <= 3


def test_correlated_noise_is_not_taken_for_stars(rng):
    waves = 25 * np.sin(np.arange(384) / 1.6)[:, None] * np.ones((1, 384))
    frame = flat_frame(noisy(rng, waves * 0) + waves.astype(np.float32), 300, 5)
    assert len(measure_stars(frame)) <= 5


def test_a_field_of_eight_stars_is_enough(rng):
    field = star_field(rng, 8, faintest_e=3000)
    stars, index = matched(field, flat_frame(field.image, 300, 5))
    assert np.count_nonzero(index >= 0) >= 7
    assert len(stars) <= 10


def test_saturated_and_masked_stars_are_flagged(rng):
    x, y = np.array([100.0, 200.0, 300.0]), np.array([100.0, 200.0, 300.0])
    light = paint((384, 384), x, y, np.array([50_000.0, 30_000.0, 20_000.0]), 3.0)
    frame = flat_frame(noisy(rng, light), 300, 5)
    mask = frame.mask.copy()
    mask[100, 101] |= np.uint16(MaskBit.SATURATED)
    mask[201, 200] |= np.uint16(MaskBit.BAD)
    stars = measure_stars(replace(frame, mask=mask))
    by_x = dict(zip(np.rint(stars.x).astype(int), stars.flag, strict=True))
    assert by_x[100] & StarFlag.SATURATED
    assert by_x[200] & StarFlag.MASKED
    assert by_x[300] == 0


def test_two_close_stars_are_flagged_as_blended(rng):
    x = np.array([100.0, 106.0, 300.0, 40.0, 200.0, 350.0])
    y = np.array([100.0, 100.0, 300.0, 300.0, 200.0, 60.0])
    flux = np.array([30_000.0, 20_000.0, 20_000.0, 15_000.0, 15_000.0, 15_000.0])
    light = paint((384, 384), x, y, flux, 3.0)
    stars = measure_stars(flat_frame(noisy(rng, light), 300, 5))
    flags = dict(zip(np.rint(stars.x).astype(int), stars.flag, strict=True))
    assert flags[100] & StarFlag.BLENDED
    assert flags[106] & StarFlag.BLENDED
    assert not flags[300] & StarFlag.BLENDED


def test_measuring_twice_gives_the_same_bytes(rng):
    frame = flat_frame(star_field(rng, 60).image, 300, 5)
    first, second = measure_stars(frame), measure_stars(frame)
    for name, column in vars(first).items():
        assert column.tobytes() == getattr(second, name).tobytes()


def test_the_mode_ignores_a_tail():
    values = np.concatenate([np.linspace(2.95, 3.05, 20), np.linspace(4, 9, 15)])
    assert half_sample_mode(values) == pytest.approx(3.0, abs=0.06)


def test_noise_on_the_wings_of_a_bright_star_is_no_star(rng):
    x, y = np.array([190.0]), np.array([200.0])
    light = paint((384, 384), x, y, np.array([3e6]), 3.0)
    stars = measure_stars(flat_frame(noisy(rng, light), 300, 5), 3.3)
    near = np.hypot(stars.x - 190, stars.y - 200) < 30
    assert np.count_nonzero(near) == 1


def test_a_saturated_star_is_one_star_not_a_ring(rng):
    x, y = np.array([190.0]), np.array([200.0])
    light = paint((384, 384), x, y, np.array([3e6]), 4.0)
    image = np.minimum(noisy(rng, light), 6e4)
    frame = flat_frame(image, 300, 5)
    mask = np.where(image >= 6e4, np.uint16(MaskBit.SATURATED), np.uint16(0))
    stars = measure_stars(replace(frame, mask=mask), 4.4)
    near = np.hypot(stars.x - 190, stars.y - 200) < 12
    assert np.count_nonzero(near) == 1
    assert stars.flag[near][0] & StarFlag.SATURATED


@pytest.mark.slow
def test_crowded_stars_are_found_that_share_one_island(rng):
    field = star_field(rng, 700, fwhm_px=3.0, faintest_e=2000)
    stars, index = matched(field, flat_frame(field.image, 300, 5))
    bright = field.flux > 5000
    assert np.mean(index[bright] >= 0) > 0.85
    assert len(stars) <= 700


@pytest.mark.slow
def test_the_brightest_are_kept_when_there_are_more_than_asked_for(rng):
    frame = flat_frame(star_field(rng, 200).image, 300, 5)
    everything, few = measure_stars(frame), measure_stars(frame, max_stars=30)
    assert len(few) <= 30
    assert few.flux[0] == everything.flux[0]
    assert few.flux.min() > np.median(everything.flux)


@pytest.mark.slow
def test_the_number_of_threads_does_not_matter(rng, monkeypatch):
    frame = flat_frame(star_field(rng, 200).image, 300, 5)
    monkeypatch.setattr(threads, "_limit", [1])
    one = measure_stars(frame)
    monkeypatch.setattr(threads, "_limit", [3])
    three = measure_stars(frame)
    for name, column in vars(one).items():
        assert column.tobytes() == getattr(three, name).tobytes()


def test_two_stars_that_differ_have_a_typical_shape(rng):
    """The mode of their widths lies between them, where no star is."""
    stars = measure_stars(flat_frame(star_field(rng, 12).image, 300, 5))
    two = replace(
        select(stars, np.arange(2)),
        fwhm_px=np.array([2.0, 8.0]),
        elongation=np.array([1.1, 1.3]),
        flag=np.zeros(2, np.int16),
    )
    assert typical_shape(two) == (5.0, pytest.approx(1.2))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1))
def test_masks_and_nan_anywhere_give_finite_stars(seed, share):
    rng = np.random.default_rng(seed)
    frame = flat_frame(star_field(rng, 12, (96, 80)).image, 300, 5)
    lost = rng.random(frame.shape) < share * rng.random()
    value = np.float32(rng.choice([np.nan, np.inf, -np.inf, 1e30, 0]))
    bit = np.uint16(rng.choice([int(b) for b in MaskBit]))
    frame = replace(
        frame, data=np.where(lost, value, frame.data), mask=np.where(lost, bit, np.uint16(0))
    )
    stars = measure_stars(frame)
    for name in ("x", "y", "flux", "flux_err", "fwhm_px", "elongation"):
        assert np.isfinite(getattr(stars, name)).all()
    assert (np.diff(stars.flux) <= 0).all()
