"""Cutouts from elsewhere in the pipeline's form: each rule on planes of known content."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrid_assets.science.labelling.cutout_fitting import UnfitCutouts, fitted_cutouts


def sky(rng, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def test_the_pipelines_own_cutouts_stay_as_they_are(rng):
    own = sky(rng, 3, 3, 64, 64)
    assert (fitted_cutouts(own) == own).all()


@pytest.mark.parametrize("side", [30, 61, 63, 100])
def test_the_middle_of_any_size_comes_to_the_middle(rng, side):
    stack = sky(rng, 2, 3, side, side)
    middle = (side - 1) // 2
    stack[:, :, middle, middle] = 500
    found = fitted_cutouts(stack)
    assert found.shape == (2, 3, 64, 64)
    peaks = found.reshape(2, 3, -1).argmax(axis=-1)
    assert (peaks == 32 * 64 + 32).all()
    inside = min(side, 64) ** 2
    assert (np.count_nonzero(found, axis=(2, 3)) >= 0.95 * min(inside, side * side)).all()


def test_counts_become_sigmas_of_the_sky_that_stars_do_not_raise(rng):
    stack = 1000 + 7 * sky(rng, 1, 3, 63, 63)
    stack[0, 0, 5:15, 5:15] += 10_000
    stack[0, 2] -= 1000
    found = fitted_cutouts(stack)[0, :, 1:, 1:]
    robust = 1.4826 * np.median(
        np.abs(found - np.median(found, axis=(1, 2))[:, None, None]), (1, 2)
    )
    assert robust == pytest.approx([1.05, 1, 1], abs=0.1)
    assert np.abs(np.median(found, axis=(1, 2))).max() < 0.2


def test_counts_in_another_unit_are_the_same_cutout(rng):
    stack = sky(rng, 1, 3, 63, 63)
    scaled = fitted_cutouts(1e-6 + 1e-9 * stack.astype(np.float64))
    assert scaled == pytest.approx(fitted_cutouts(stack), abs=1e-2)


def test_science_and_difference_give_the_reference(rng):
    science, reference = 50 + sky(rng, 2, 61, 61)
    three = fitted_cutouts(np.stack([science, reference, science - reference])[None])
    two = fitted_cutouts(np.stack([science, science - reference])[None])
    assert two == pytest.approx(three, abs=1e-3)
    pair = fitted_cutouts(np.stack([science, reference])[None], channels=["science", "reference"])
    assert pair[:, :2] == pytest.approx(three[:, :2], abs=1e-3)
    assert np.corrcoef(pair[0, 2].ravel(), three[0, 2].ravel())[0, 1] > 0.99


def test_a_score_is_kept_and_a_sign_is_undone(rng):
    score = 3 * sky(rng, 1, 1, 64, 64)
    found = fitted_cutouts(score, channels=["score"])
    assert (found[0, 2] == score[0, 0]).all()
    assert not found[0, :2].any()
    turned = fitted_cutouts(score, signs=np.array([-1.0]))
    assert turned == pytest.approx(-fitted_cutouts(score))


@given(st.sampled_from([np.nan, np.inf, -np.inf, -3.4e38, 0.0, 7.0, 1e-40, 1e19]))
def test_no_value_breaks_anything(value):
    for shape in ((3, 64, 64), (3, 63, 63), (2, 30, 30), (1, 5, 5)):
        stack = np.full((1, *shape), value, dtype=np.float32)
        stack[0, :, 1, 1] = 1.0
        found = fitted_cutouts(stack)
        assert np.isfinite(found).all()


def test_a_source_in_an_empty_plane_is_still_seen():
    stack = np.zeros((1, 3, 63, 63))
    stack[0, :, 31, 31] = 9
    assert (fitted_cutouts(stack)[0, :, 32, 32] > 0.5).all()


@pytest.mark.parametrize(
    ("shape", "channels", "message"),
    [
        ((3, 64, 64), None, r"need the shape"),
        ((2, 4, 64, 64), None, "4 channels"),
        ((2, 2, 64, 64), ["science", "science"], "name each of them once"),
        ((2, 1, 64, 64), ["mask"], "name each of them once"),
    ],
)
def test_what_no_rule_fits_is_a_sentence(shape, channels, message):
    with pytest.raises(UnfitCutouts, match=message):
        fitted_cutouts(np.zeros(shape), channels=channels)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"unit": "electrons"}, "unit 'electrons': it is one of sigma, counts"),
        ({"signs": [1]}, "signs need 2 numbers"),
        ({"signs": [1, 0]}, "each 1 or -1"),
        ({"signs": [1, np.nan]}, "each 1 or -1"),
        ({"signs": ["a", "b"]}, "each 1 or -1"),
    ],
)
def test_what_is_told_wrongly_is_not_guessed(told, message):
    with pytest.raises(UnfitCutouts, match=message):
        fitted_cutouts(np.zeros((2, 3, 64, 64)), **told)


@pytest.mark.parametrize("values", [None, [["a"]], np.zeros((1, 3, 64, 64), dtype=complex)])
def test_what_is_no_real_number_is_a_sentence(values):
    with pytest.raises(UnfitCutouts, match="need real numbers"):
        fitted_cutouts(values)


def test_masked_pixels_are_blank_sky(rng):
    stack = np.ma.masked_greater(sky(rng, 1, 3, 64, 64), 1)
    found = fitted_cutouts(stack)
    assert (found == np.ma.filled(stack, 0)).all()
    assert (fitted_cutouts(np.ma.masked_all((1, 3, 64, 64), dtype=int)) == 0).all()
