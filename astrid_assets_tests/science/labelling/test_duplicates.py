"""Near-duplicates: copies of one exposure are found, sources that look alike are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from astrid_assets.science.labelling.duplicates import DuplicateSearch, standard_pixels

SIDE = 32


def point_sources(rng: np.random.Generator, count: int, snr: float) -> np.ndarray:
    """Return S_corr of point sources of one PSF, each on noise of its own."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    noise = gaussian_filter(rng.normal(size=(count, SIDE, SIDE)), (0, 1.3, 1.3))
    return (noise / noise.std() + snr * np.exp(-(x**2 + y**2) / 6.5)).astype(np.float32)


def keys_of(cutouts: np.ndarray, limit: float = 0.98) -> np.ndarray:
    search = DuplicateSearch(len(cutouts))
    half = len(cutouts) // 2
    search.add(0, cutouts[:half])
    search.add(half, cutouts[half:])
    return search.keys(lambda rows: cutouts[rows], limit)


def test_bright_sources_of_one_psf_are_no_duplicates(rng):
    # Their cutouts correlate to 0.99 as they are.
    assert set(keys_of(point_sources(rng, 40, snr=200)).tolist()) == {""}


@pytest.mark.parametrize("snr", [5, 200])
def test_copies_are_found_however_they_were_stored(rng, snr):
    own = point_sources(rng, 12, snr=snr)
    copies = np.concatenate(
        [
            own[:3] * 1.3,
            own[3:6].astype(np.float16).astype(np.float32),
            own[6:9] + rng.normal(0, 0.05, (3, SIDE, SIDE)).astype(np.float32),
        ]
    )
    keys = keys_of(np.concatenate([own, copies]))
    assert keys[:9].tolist() == keys[12:].tolist()
    assert "" not in keys[:9]
    assert len(set(keys[:9].tolist())) == 9
    assert set(keys[9:12].tolist()) == {""}


def test_padding_and_blank_cutouts_join_nothing(rng):
    small = np.zeros((20, SIDE, SIDE), dtype=np.float32)
    small[:, 9:23, 9:23] = point_sources(rng, 20, snr=100)[:, 9:23, 9:23]
    blank = np.zeros((3, SIDE, SIDE), dtype=np.float32)
    constant = np.full((3, SIDE, SIDE), np.nan, dtype=np.float32)
    assert set(keys_of(np.concatenate([small, blank, constant])).tolist()) == {""}
    copies = keys_of(np.concatenate([small, small[:2] * 2]))
    assert copies[:2].tolist() == copies[20:].tolist() != ["", ""]


def test_a_cutout_in_another_unit_has_the_same_standard_pixels(rng):
    own = point_sources(rng, 3, snr=50)
    np.testing.assert_allclose(standard_pixels(own * 7 + 100), standard_pixels(own), atol=1e-5)


def test_hundreds_of_copies_of_one_cutout_are_one_group(rng):
    one = point_sources(rng, 1, snr=20)
    many = one + rng.normal(0, 0.05, (300, SIDE, SIDE)).astype(np.float32)
    keys = keys_of(np.concatenate([many, point_sources(rng, 10, snr=20)]))
    assert len(set(keys[:300].tolist())) == 1
    assert set(keys[300:].tolist()) == {""}
