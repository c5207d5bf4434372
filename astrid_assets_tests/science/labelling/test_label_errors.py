"""Wrong labels: flipped ones are found, meaningless ones are noticed, clean ones pass."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from astrid_assets.science.labelling.label_errors import out_of_fold, suspect_labels


def probabilities(rng: np.random.Generator, is_real: np.ndarray, separation: float) -> np.ndarray:
    """Return what a good network says: its classes lie so many sigma apart."""
    sign = np.where(is_real, 1, -1)
    return expit(separation * (sign * separation / 2 + rng.normal(size=len(is_real))))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_flipped_labels_are_found_among_two_thousand(rng, share, temperature):
    is_real = rng.random(2000) < share
    flipped = rng.random(2000) < 0.05
    # Separation of 4 sigma: ROC AUC 0.998; the network has learned from the flipped labels.
    logit = np.log(1 / (1 / probabilities(rng, is_real, 4.0) - 1 + 1e-12)) / temperature
    suspects = suspect_labels(0.05 + 0.9 * expit(logit), is_real ^ flipped)
    hits = flipped[suspects.rows].sum()
    assert hits / len(suspects.rows) > 0.8
    assert hits / flipped.sum() > 0.8
    assert suspects.noise == pytest.approx(0.05, abs=0.015)


def test_flips_of_one_class_are_counted_in_that_class(rng):
    is_real = np.arange(2000) < 1000
    flipped = is_real & (rng.random(2000) < 0.2)
    suspects = suspect_labels(probabilities(rng, is_real, 4.0), is_real & ~flipped)
    assert suspects.missed == pytest.approx(0.2, abs=0.04)
    assert suspects.invented < 0.01
    assert suspects.noise == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("share", [0.5, 0.94])
def test_labels_at_random_are_noticed_whatever_the_mix(rng, share):
    found = [suspect_labels(rng.random(400), rng.random(400) < share) for _ in range(5)]
    assert all(0.7 < one.missed + one.invented < 1.3 for one in found)


def test_one_class_alone_has_no_suspects():
    assert len(suspect_labels(np.array([0.1, 0.9]), np.array([True, True])).rows) == 0


def test_what_is_no_probability_is_an_error():
    with pytest.raises(ValueError, match="between 0 and 1"):
        suspect_labels(np.array([1.5, 0.2]), np.array([True, False]))
    with pytest.raises(ValueError, match="2 probabilities for 3 labels"):
        suspect_labels(np.zeros(2), np.zeros(3, dtype=bool))


def test_a_cheap_classifier_learns_what_features_show_and_nothing_else(rng):
    is_real = rng.random(600) < 0.4
    features = rng.normal(size=(600, 5))
    features[:, 0] += 3 * is_real
    # The label also hangs on a product: neither factor shows it alone.
    features[:, 1] *= np.where(is_real, 1, -1) * np.sign(features[:, 2])
    features[3, 4] = np.nan
    groups = np.arange(600).astype(str)
    good = out_of_fold(features, is_real, groups)
    assert good is not None
    assert suspect_labels(good, is_real).noise < 0.05
    blind = out_of_fold(features, rng.random(600) < 0.5, groups)
    assert blind is not None
    assert suspect_labels(blind, rng.random(600) < 0.5).noise > 0.35


def test_rows_of_one_object_do_not_answer_for_each_other(rng):
    # Twenty copies of each of thirty cutouts, labelled at random by cutout.
    features = np.repeat(rng.normal(size=(30, 6)), 20, axis=0)
    labels = np.repeat(np.arange(30) % 2 == 0, 20)
    groups = np.repeat(np.arange(30), 20).astype(str)
    found = out_of_fold(features, labels, groups)
    assert found is not None
    assert suspect_labels(found, labels).noise > 0.25


def test_a_class_of_one_object_cannot_be_judged(rng):
    labels = np.arange(40) < 10
    groups = np.where(labels, "one", np.arange(40).astype(str))
    assert out_of_fold(rng.normal(size=(40, 3)), labels, groups) is None
