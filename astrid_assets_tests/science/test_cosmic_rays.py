"""Cosmic rays are found, stars are not; the published code agrees."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from astrid_assets.science import cosmic_rays
from astrid_assets.science.cosmic_rays import find_cosmic_rays, spare_stars
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
    found = find_cosmic_rays(data, frame.variance + np.maximum(data, 0), bad)
    labels, n = ndimage.label(hit, np.ones((3, 3)))
    caught = ndimage.maximum(found, labels, np.arange(1, n + 1))
    assert np.mean(caught) > 0.9
    assert np.count_nonzero(found & ~ndimage.binary_dilation(hit, iterations=2)) < 10


def test_the_published_implementation_agrees(rng, monkeypatch):
    from astroscrappy import detect_cosmics

    monkeypatch.setattr(cosmic_rays, "OBJLIM", 5.0)
    frame = flat_frame(star_field(rng, 60).image, 300, 5)
    data, _ = with_hits(rng, frame)
    bad = np.zeros(data.shape, dtype=bool)
    variance = (np.maximum(data, 0) + 325).astype(np.float32)
    theirs, _ = detect_cosmics(
        data, inmask=bad, invar=variance, sigclip=5, sigfrac=0.3, objlim=5, gain=1,
        readnoise=0, satlevel=np.inf, niter=3, cleantype="medmask", fsmode="median",
    )  # fmt: skip
    ours = find_cosmic_rays(data, variance, bad)
    assert np.count_nonzero(ours & theirs) > 0.9 * np.count_nonzero(theirs)
    assert np.count_nonzero(ours & ~theirs) < 0.1 * np.count_nonzero(theirs)


@pytest.mark.parametrize("fwhm_px", [1.8, 2.5, 4.0])
def test_stars_are_spared(rng, fwhm_px):
    field = star_field(rng, 60, fwhm_px=fwhm_px)
    frame = flat_frame(field.image, 300, 5)
    bad = np.zeros(frame.shape, dtype=bool)
    found = find_cosmic_rays(frame.data, frame.variance, bad)
    found = spare_stars(found, frame.data, bad, fwhm_px)
    rows = np.clip(np.rint(field.y).astype(int), 0, frame.shape[0] - 1)
    columns = np.clip(np.rint(field.x).astype(int), 0, frame.shape[1] - 1)
    assert np.count_nonzero(found[rows, columns]) <= 1


def test_the_rim_of_a_masked_core_is_left_alone(rng):
    field = star_field(rng, 5, fwhm_px=3.0, faintest_e=2e5)
    frame = flat_frame(field.image, 300, 5)
    bad = frame.data > 5000
    found = find_cosmic_rays(frame.data, frame.variance, bad)
    assert np.count_nonzero(found) <= 3
    assert not (found & bad).any()
