"""Peaks of the score, against a slow search in plain Python and known summits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.spatial import KDTree

from astrid_assets.science.arrays.threads import set_threads, threads
from astrid_assets.science.detection.peaks import disc, find_peaks, window

SHAPE = (150, 140)


@pytest.fixture
def noise(rng):
    score = gaussian_filter(rng.normal(size=SHAPE), 1.2)
    return (score / score.std()).astype(np.float32)


def slow_search(score, lowest, radius):
    """Pixels that no pixel of their sign within the disc tops."""
    found = set()
    around = disc(radius)
    for i, j in zip(*np.nonzero(np.abs(score) >= lowest), strict=True):
        sign = np.sign(score[i, j])
        near = window(score, np.array([i]), np.array([j]), radius)[0] * sign
        if score[i, j] * sign >= near[around].max():
            found.add((i, j))
    return found


def test_the_compiled_search_finds_what_a_slow_one_finds(noise):
    peaks = find_peaks(noise, noise, np.ones_like(noise), 2.0, 3)
    found = set(zip(peaks.row.tolist(), peaks.column.tolist(), strict=True))
    slow = slow_search(noise, 1.8, 3)
    # The slow one knows no sub-pixel heights: those of 1.8 to 2 may be missing.
    assert found <= slow
    assert {p for p in slow if abs(noise[p]) >= 2.0} <= found


def test_peaks_do_not_depend_on_the_number_of_threads(noise):
    before = threads()
    try:
        found = []
        for number in (1, 2, 3):
            set_threads(number)
            found.append(find_peaks(noise, noise, np.ones_like(noise), 2.5, 3))
    finally:
        set_threads(before)
    for other in found[1:]:
        assert (other.row == found[0].row).all()
        assert (other.x == found[0].x).all()


def test_a_source_is_placed_where_its_flux_peaks_though_its_score_does_not():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    flux = 1e4 * np.exp(-0.5 * ((x - 70.2) ** 2 + (y - 60.3) ** 2) / 1.8**2)
    # A constant star beside it: the error grows towards it.
    error = 100 + 300 * np.exp(-0.5 * ((x - 70.2) ** 2 + (y - 57.0) ** 2) / 2.5**2)
    flux, error = flux.astype(np.float32), error.astype(np.float32)
    (row,) = (peaks := find_peaks(flux / error, flux, error, 5.0, 4)).row
    assert row > 60  # the score peaks on the far side
    assert peaks.x[0] == pytest.approx(70.2, abs=0.1)
    assert peaks.y[0] == pytest.approx(60.3, abs=0.1)
    assert peaks.is_summit[0]


def test_windows_are_filled_beyond_the_image(noise):
    cut = window(noise, np.array([0, 149]), np.array([0, 139]), 2, fill=-7)
    assert (cut[0, :2] == -7).all()
    assert (cut[0, :, :2] == -7).all()
    assert (cut[1, 3:] == -7).all()
    np.testing.assert_array_equal(cut[0, 2:, 2:], noise[:3, :3])


@pytest.mark.slow
@pytest.mark.parametrize("snr", [5.0, 7.0, 10.0, 20.0])
def test_a_peak_is_as_high_as_theory_says(rng, snr):
    """Where noise makes it highest, two coordinates are fitted: S^2 + 2."""
    sigma, side, half = 1.7, 1240, 12
    score = gaussian_filter(rng.normal(size=(side, side)), sigma)
    score *= np.sqrt(4 * np.pi) * sigma
    places = np.arange(half, side - half, 2 * half)
    rows, columns = (a.ravel() for a in np.meshgrid(places, places, indexing="ij"))
    dy, dx = rng.uniform(-0.5, 0.5, (2, len(rows)))
    y, x = np.mgrid[-half:half, -half:half]
    for i, (row, column) in enumerate(zip(rows, columns, strict=True)):
        distance2 = (x - dx[i]) ** 2 + (y - dy[i]) ** 2
        score[row - half : row + half, column - half : column + half] += snr * np.exp(
            -distance2 / (4 * sigma**2)
        )
    score = score.astype(np.float32)
    peaks = find_peaks(score, score, np.ones_like(score), 3.0, 3)
    places = np.column_stack([peaks.x, peaks.y])
    distance, nearest = KDTree(places).query(np.column_stack([columns + dx, rows + dy]))
    found = np.where(distance < 2.5, peaks.score[nearest], 0)
    error = 1.25 / np.sqrt(len(rows)) / snr
    assert np.median(found) / np.sqrt(snr**2 + 2) == pytest.approx(1, abs=3 * error)
