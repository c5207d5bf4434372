"""Cosmic rays are found, stars are not; the published code agrees."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy import ndimage

from astrid_assets.science.arrays.components import grow
from astrid_assets.science.arrays.threads import set_threads
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.masking import cosmic_rays
from astrid_assets.science.masking.cosmic_rays import find_cosmic_rays
from astrid_assets.science.masking.defects import grown_saturation, saturated_pixels
from astrid_assets.science.sky.background import measure_background
from astrid_assets_tests.science.patches import scipy_patches
from astrid_assets_tests.science.real_images import first_image
from astrid_assets_tests.science.star_fields import flat_frame, star_field


def with_hits(rng, frame, n=60):
    """Lay tracks of one to eight pixels over a frame; return data and truth."""
    data, hit = frame.data.copy(), np.zeros(frame.shape, dtype=bool)
    for _ in range(n):
        x, y = rng.integers(10, frame.shape[1] - 10, 2)
        angle, length = rng.uniform(0, np.pi), rng.integers(1, 9)
        for t in np.arange(0, length, 0.7):
            row = int(np.clip(y + t * np.sin(angle), 0, frame.shape[0] - 1))
            column = int(np.clip(x + t * np.cos(angle), 0, frame.shape[1] - 1))
            data[row, column] += rng.uniform(400, 2000)
            hit[row, column] = True
    return data, hit


def test_tracks_are_found_and_little_else(rng):
    frame = flat_frame(star_field(rng, 60).image, 300, 5)
    data, hit = with_hits(rng, frame)
    bad = np.zeros(data.shape, dtype=bool)
    assert frame.variance is not None
    found = find_cosmic_rays(data, frame.variance + np.maximum(data, 0), bad)
    labels, n = scipy_patches(hit, np.ones((3, 3)))
    caught = ndimage.maximum(found, labels, np.arange(1, n + 1))
    assert np.mean(caught) > 0.9
    near = np.asarray(ndimage.binary_dilation(hit, iterations=2), dtype=bool)
    assert np.count_nonzero(found & ~near) < 10


@pytest.mark.slow
def test_the_published_implementation_agrees(rng, monkeypatch):
    from astroscrappy.astroscrappy import detect_cosmics

    monkeypatch.setattr(cosmic_rays, "OBJLIM", 5.0)
    frame = flat_frame(star_field(rng, 60).image, 300, 5)
    data, _ = with_hits(rng, frame)
    bad = np.zeros(data.shape, dtype=bool)
    variance = (np.maximum(data, 0) + 325).astype(np.float32)
    theirs, _ = detect_cosmics(
        data,
        inmask=bad,
        invar=variance,
        sigclip=5,
        sigfrac=0.3,
        objlim=5,
        gain=1,
        readnoise=0,
        satlevel=np.inf,
        niter=3,
        cleantype="medmask",
        fsmode="median",
    )
    ours = find_cosmic_rays(data, variance, bad)
    assert np.count_nonzero(ours & theirs) > 0.9 * np.count_nonzero(theirs)
    assert np.count_nonzero(ours & ~theirs) < 0.1 * np.count_nonzero(theirs)


@pytest.mark.parametrize("fwhm_px", [1.8, 2.5, 4.0])
def test_stars_are_spared(rng, fwhm_px):
    field = star_field(rng, 60, fwhm_px=fwhm_px)
    frame = flat_frame(field.image, 300, 5)
    bad = np.zeros(frame.shape, dtype=bool)
    assert frame.variance is not None
    found = find_cosmic_rays(frame.data, frame.variance, bad)
    rows = np.clip(np.rint(field.y).astype(int), 0, frame.shape[0] - 1)
    columns = np.clip(np.rint(field.x).astype(int), 0, frame.shape[1] - 1)
    assert np.count_nonzero(found[rows, columns]) <= 1


def test_the_rim_of_a_masked_core_is_left_alone(rng):
    field = star_field(rng, 5, fwhm_px=3.0, faintest_e=2e5)
    frame = flat_frame(field.image, 300, 5)
    bad = frame.data > 5000
    assert frame.variance is not None
    found = find_cosmic_rays(frame.data, frame.variance, bad)
    assert np.count_nonzero(found) <= 3
    assert not (found & bad).any()


@pytest.mark.slow
@pytest.mark.parametrize("fwhm_px", [1.3, 1.8, 2.5, 5.0])
def test_sharp_stars_are_not_marked_at_all(rng, fwhm_px):
    field = star_field(rng, 150, fwhm_px=fwhm_px, brightest_e=5e4)
    frame = flat_frame(field.image, 300, 5)
    bad = np.zeros(frame.shape, dtype=bool)
    assert frame.variance is not None
    found = find_cosmic_rays(frame.data, frame.variance, bad)
    rows = np.clip(np.rint(field.y).astype(int), 0, frame.shape[0] - 1)
    columns = np.clip(np.rint(field.x).astype(int), 0, frame.shape[1] - 1)
    # astroscrappy marks more than a hundred of them at the first width.
    assert np.count_nonzero(found[rows, columns]) <= 6


@pytest.mark.slow
def test_recall_is_that_of_the_published_code_without_its_stars(rng):
    from astroscrappy.astroscrappy import detect_cosmics

    field = star_field(rng, 100, fwhm_px=2.5)
    frame = flat_frame(field.image, 300, 5)
    data, hit = with_hits(rng, frame, 80)
    bad = np.zeros(data.shape, dtype=bool)
    variance = (np.maximum(data, 0) + 325).astype(np.float32)
    theirs, _ = detect_cosmics(
        data,
        inmask=bad,
        invar=variance,
        sigclip=5,
        sigfrac=0.3,
        objlim=2,
        gain=1,
        readnoise=0,
        satlevel=np.inf,
        niter=4,
        cleantype="medmask",
    )
    ours = find_cosmic_rays(data, variance, bad)
    near = grow(hit)
    assert np.mean(ours[hit]) >= np.mean(theirs[hit]) - 0.01
    assert np.count_nonzero(ours & ~near) <= np.count_nonzero(theirs & ~near)


def test_threads_do_not_change_what_is_found(rng):
    frame = flat_frame(star_field(rng, 100).image, 300, 5)
    data, _ = with_hits(rng, frame)
    bad = rng.random(data.shape) < 0.01
    assert frame.variance is not None
    found = []
    for number in (1, 3):
        set_threads(number)
        found.append(find_cosmic_rays(data, frame.variance, bad))
    set_threads(len(os.sched_getaffinity(0)))
    assert np.array_equal(*found)
    assert not (found[0] & bad).any()


@pytest.mark.data
def test_the_real_hit_is_unusable_and_absent_three_hours_later(shared_data):
    folder = shared_data / "saao_microlensing" / "cosmic_ray_pair"
    hits = []
    for name in ("kb13475_i0017", "kb13475_i0018"):
        image = first_image(next(folder.glob(f"{name}*")))[0].astype(np.float32)
        clean = np.zeros(image.shape, np.uint16)
        mask = grown_saturation(saturated_pixels(image, clean, 64_000))
        bad = (mask & UNUSABLE) != 0
        sky = measure_background(image, bad)
        light = image - sky.level
        variance = (sky.rms**2 + np.maximum(light, 0) / 1.9).astype(np.float32)
        unusable = bad | find_cosmic_rays(light, variance, bad)
        assert unusable.mean() < 0.01
        hits.append(unusable[152:156, 365:370].mean())
    assert hits[0] > 0.9
    assert hits[1] == 0
