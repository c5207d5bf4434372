"""Dawid–Skene: labels and the reliability of reviewers, learned from votes together.

Each reviewer has a confusion matrix; a vote of one who errs often counts little, and
errors in a known direction are allowed for. Expectation maximisation from the
majority; a weak prior keeps a reviewer with few votes near "mostly right".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_ROUNDS = 3000  # two weak reviewers beside a good one converge slowly
CONVERGED = 1e-6  # largest change of a posterior
PRIOR_RIGHT, PRIOR_WRONG = 4.0, 1.0
"""Votes each reviewer is taken to have cast before: four right for one wrong, per
true class. One new vote changes little, fifty outweigh them."""
PRIOR_CLASS = 1.0  # detections per class before any is seen


@dataclass(frozen=True)
class Reliability:
    """What votes show about labels and about those who cast them.

    Attributes
    ----------
    posterior : (items, classes)
        Probability of each true class.
    confusion : (reviewers, true class, said class)
        Probability of each vote, given the true class; rows sum to 1.
    prevalence : (classes,)
        Share of each class.
    rounds
        Iterations until nothing changed any more.
    """

    posterior: NDArray[np.float64]
    confusion: NDArray[np.float64]
    prevalence: NDArray[np.float64]
    rounds: int

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Probability that a reviewer is right about a detection: (reviewers,)."""
        return np.einsum("c,rcc->r", self.prevalence, self.confusion)

    @property
    def noise(self) -> float:
        """Expected share of wrong labels when each gets its likeliest class."""
        return float(1 - self.posterior.max(axis=1).mean())


def dawid_skene(
    item: NDArray[np.intp],
    reviewer: NDArray[np.intp],
    said: NDArray[np.intp],
    *,
    n_classes: int = 2,
    known: NDArray[np.intp] | None = None,
) -> Reliability:
    """Estimate true labels and confusion matrices from votes.

    Parameters
    ----------
    item, reviewer, said : (votes,)
        Who voted for which class of which item; each counts from 0 without gaps.
    n_classes
        How many classes there are.
    known : (items,)
        The true class where it is known (gold), else -1; stays as it is.

    Returns
    -------
    reliability
        Probabilities per item and class, and per reviewer the confusion matrix.

    Raises
    ------
    ValueError
        Without votes.

    References
    ----------
    Dawid & Skene 1979, J. R. Stat. Soc. C 28, 20.
    """
    if not len(item):
        raise ValueError("there are no votes to learn from")
    n_items, n_reviewers = int(item.max()) + 1, int(reviewer.max()) + 1
    fixed = np.full(n_items, -1) if known is None else known
    counts = np.zeros((n_items, n_classes))
    np.add.at(counts, (item, said), 1)
    posterior = _with_known(counts / counts.sum(axis=1, keepdims=True), fixed)

    def reviewers(
        posterior: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return _maximise(posterior, item, reviewer, said, n_reviewers, n_classes)

    confusion, prevalence = reviewers(posterior)
    rounds, change = 0, np.inf
    while rounds < MAX_ROUNDS and change >= CONVERGED:
        updated = _with_known(
            expected_classes(item, reviewer, said, confusion, prevalence, n_items),
            fixed,
        )
        change = float(np.abs(updated - posterior).max())
        posterior = updated
        confusion, prevalence = reviewers(posterior)
        rounds += 1
    return Reliability(posterior, confusion, prevalence, rounds)


def expected_classes(
    item: NDArray[np.intp],
    reviewer: NDArray[np.intp],
    said: NDArray[np.intp],
    confusion: NDArray[np.float64],
    prevalence: NDArray[np.float64],
    n_items: int,
) -> NDArray[np.float64]:
    """Return the probability of each class, given the confusion matrices.

    Parameters
    ----------
    item, reviewer, said : (votes,)
        As in `dawid_skene`.
    confusion : (reviewers, classes, classes)
        Probability of each vote given the true class.
    prevalence : (classes,)
        Probability of each class beforehand.
    n_items
        How many items there are.

    Returns
    -------
    posterior : (items, classes)
        Rows sum to 1.

    References
    ----------
    Dawid & Skene 1979, J. R. Stat. Soc. C 28, 20: Bayes' rule with independent votes.
    """
    log_odds = np.tile(np.log(prevalence), (n_items, 1))
    np.add.at(log_odds, item, np.log(confusion[reviewer, :, said]))
    log_odds -= log_odds.max(axis=1, keepdims=True)
    odds = np.exp(log_odds)
    return odds / odds.sum(axis=1, keepdims=True)


def _maximise(
    posterior: NDArray[np.float64],
    item: NDArray[np.intp],
    reviewer: NDArray[np.intp],
    said: NDArray[np.intp],
    n_reviewers: int,
    n_classes: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    prior = np.full((n_classes, n_classes), PRIOR_WRONG)
    np.fill_diagonal(prior, PRIOR_RIGHT)
    confusion = np.tile(prior, (n_reviewers, 1, 1))
    for true_class in range(n_classes):
        share = posterior[item, true_class]
        np.add.at(confusion[:, true_class], (reviewer, said), share)
    confusion /= confusion.sum(axis=2, keepdims=True)
    prevalence = posterior.sum(axis=0) + PRIOR_CLASS
    return confusion, prevalence / prevalence.sum()


def _with_known(posterior: NDArray[np.float64], known: NDArray[np.intp]) -> NDArray[np.float64]:
    rows = np.flatnonzero(known >= 0)
    posterior[rows] = 0
    posterior[rows, known[rows]] = 1
    return posterior
