"""Training masks: the footprint's size, place and emptiness."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.labelling.masks import FOOTPRINT_LEVEL, training_mask


@pytest.mark.parametrize("fwhm_px", [2.5, 4.0, 8.0])
def test_the_mask_is_where_a_gaussian_exceeds_the_level(fwhm_px):
    y, x = np.mgrid[:64, :64] - 32
    profile = np.exp(-4 * np.log(2) * (x**2 + y**2) / fwhm_px**2)
    np.testing.assert_array_equal(
        training_mask("real", fwhm_px), (profile >= FOOTPRINT_LEVEL).astype(np.uint8)
    )


def test_a_bogus_mask_is_empty():
    mask = training_mask("bogus", 4.0, 32)
    assert mask.shape == (32, 32)
    assert mask.dtype == np.uint8
    assert not mask.any()


def test_an_undersampled_source_still_has_its_nine_pixels():
    mask = training_mask("real", 0.8)
    assert mask.sum() == 9
    assert mask[31:34, 31:34].all()


def test_the_offset_moves_the_footprint():
    mask = training_mask("real", 4.0, offset_px=(3.0, -2.0))
    np.testing.assert_array_equal(mask, np.roll(training_mask("real", 4.0), (-2, 3), axis=(0, 1)))


@pytest.mark.parametrize("fwhm_px", [0.0, -1.0, np.nan, np.inf])
def test_a_footprint_needs_a_width(fwhm_px):
    with pytest.raises(ValueError, match="FWHM above 0"):
        training_mask("real", fwhm_px)


def test_undecided_labels_have_no_mask():
    with pytest.raises(ValueError, match="'disputed'"):
        training_mask("disputed", 4.0)


def test_a_drawn_mask_takes_the_place_of_the_footprint():
    drawn = np.zeros((64, 64), dtype=np.uint8)
    drawn[3:9, 5:7] = 255
    np.testing.assert_array_equal(training_mask("real", 4.0, drawn=drawn), drawn // 255)


def test_a_drawn_mask_has_the_size_of_the_cutout():
    with pytest.raises(ValueError, match="for a cutout"):
        training_mask("real", 4.0, drawn=np.zeros((32, 64), dtype=np.uint8))
