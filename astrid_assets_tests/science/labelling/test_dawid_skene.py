"""Dawid–Skene: Bayes' rule in closed form, and simulated reviewers recovered."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.labelling.dawid_skene import dawid_skene, expected_classes


def simulated(rng: np.random.Generator, accuracy: list[float], n: int, share_real: float = 0.4):
    """Return the truth and what reviewers of these accuracies say of every item."""
    truth = (rng.random(n) < share_real).astype(np.intp)
    right = rng.random((n, len(accuracy))) < np.array(accuracy)
    said = np.where(right, truth[:, None], 1 - truth[:, None])
    item, reviewer = np.indices(said.shape)
    return truth, item.ravel(), reviewer.ravel(), said.ravel()


def test_known_reviewers_give_bayes_rule():
    # One reviewer right 9 of 10 times, one right 6 of 10 times; they disagree.
    confusion = np.array([[[0.9, 0.1], [0.1, 0.9]], [[0.6, 0.4], [0.4, 0.6]]])
    posterior = expected_classes(
        np.array([0, 0]), np.array([0, 1]), np.array([1, 0]), confusion, np.array([0.7, 0.3]), 1
    )
    real, bogus = 0.3 * 0.9 * 0.4, 0.7 * 0.1 * 0.6
    assert posterior[0, 1] == pytest.approx(real / (real + bogus))


@pytest.mark.slow
def test_reviewers_accuracies_are_recovered(rng):
    accuracy = [0.95, 0.85, 0.70, 0.55]
    truth, item, reviewer, said = simulated(rng, accuracy, 4000)
    found = dawid_skene(item, reviewer, said)
    np.testing.assert_allclose(found.accuracy, accuracy, atol=0.02)
    assert found.prevalence[1] == pytest.approx(truth.mean(), abs=0.02)
    # Its own estimate of how many labels are wrong is right.
    wrong = (found.posterior.argmax(axis=1) != truth).mean()
    assert found.noise == pytest.approx(wrong, abs=0.01)


@pytest.mark.slow
def test_it_beats_the_majority_when_one_reviewer_is_much_better(rng):
    truth, item, reviewer, said = simulated(rng, [0.97, 0.6, 0.6], 4000)
    found = dawid_skene(item, reviewer, said)
    majority = said.reshape(-1, 3).sum(axis=1) >= 2
    wrong = (found.posterior.argmax(axis=1) != truth).mean()
    assert wrong < 0.05 < (majority != truth).mean()


def test_one_who_always_says_real_tells_nothing(rng):
    _, item, reviewer, said = simulated(rng, [0.9, 0.9, 0.9, 0.9], 3000)
    said = np.where(reviewer == 3, 1, said)
    found = dawid_skene(item, reviewer, said)
    assert found.confusion[3, :, 1].min() > 0.99
    without = dawid_skene(*(a[reviewer < 3] for a in (item, reviewer, said)))
    np.testing.assert_allclose(found.posterior, without.posterior, atol=0.02)


def test_what_is_known_stays(rng):
    truth, item, reviewer, said = simulated(rng, [0.7, 0.7], 500)
    known = np.where(np.arange(500) < 200, truth, -1)
    found = dawid_skene(item, reviewer, said, known=known)
    assert (found.posterior[np.arange(200), truth[:200]] == 1).all()
    # Gold breaks what two reviewers alone cannot: who of them is right how often.
    np.testing.assert_allclose(found.accuracy, 0.7, atol=0.06)


def test_without_votes_there_is_nothing_to_learn():
    nothing = np.array([], dtype=np.intp)
    with pytest.raises(ValueError, match="no votes"):
        dawid_skene(nothing, nothing, nothing)
