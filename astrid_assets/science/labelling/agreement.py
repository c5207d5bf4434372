"""How far reviewers agree beyond what chance would give (kappa).

1 is full agreement, 0 what independent guessing with the same preferences gives.
Where everybody gave the same single label, chance agreement is complete and kappa is
undefined: None, not 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CATEGORIES = ("bogus", "real")


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Return Cohen's kappa of two reviewers on the same detections.

    Parameters
    ----------
    first, second : (n,)
        Their labels, in the same order.

    Returns
    -------
    kappa
        -1 to 1; None without detections, or where chance agreement is complete.

    Raises
    ------
    ValueError
        If they labelled different numbers of detections.

    References
    ----------
    Cohen 1960, Educ. Psychol. Meas. 20, 37.
    """
    if len(first) != len(second):
        raise ValueError(
            f"two reviewers of the same detections, but {len(first)} and {len(second)} labels"
        )
    if not len(first):
        return None
    names, codes = np.unique([*first, *second], return_inverse=True)
    a, b = codes[: len(first)], codes[len(first) :]
    observed = float((a == b).mean())
    share_a = np.bincount(a, minlength=len(names)) / len(a)
    share_b = np.bincount(b, minlength=len(names)) / len(b)
    return _beyond_chance(observed, float(share_a @ share_b))


def fleiss_kappa(counts: NDArray[np.int64]) -> float | None:
    """Return Fleiss' kappa of any number of reviewers.

    Detections may have different numbers of votes; those with fewer than two do not show
    agreement and are left out.

    Parameters
    ----------
    counts : (n, categories)
        Votes per detection and category.

    Returns
    -------
    kappa
        At most 1; None without pairs of votes, or where chance agreement is complete.

    References
    ----------
    Fleiss 1971, Psychol. Bull. 76, 378.
    """
    votes = counts.sum(axis=1)
    counts, votes = counts[votes >= 2], votes[votes >= 2]
    if not len(counts):
        return None
    pairs = votes * (votes - 1)
    same = (counts * (counts - 1)).sum(axis=1)
    share = counts.sum(axis=0) / votes.sum()
    return _beyond_chance(float((same / pairs).mean()), float(share @ share))


def label_noise(disagreement: float) -> float | None:
    """Return the least share of wrong labels that the disagreement of pairs implies.

    Two who err independently with probability e disagree with 2 e (1 - e). Errors they
    share stay hidden, so this is a lower bound.

    Parameters
    ----------
    disagreement
        Share of the doubly reviewed detections on which a pair differs.

    Returns
    -------
    noise
        0 to 0.5; None above a disagreement of 0.5, which guessing does not explain.
    """
    if not 0 <= disagreement <= 0.5:
        return None
    return (1 - float(np.sqrt(1 - 2 * disagreement))) / 2


def _beyond_chance(observed: float, expected: float) -> float | None:
    if np.isclose(expected, 1.0):
        return None
    return (observed - expected) / (1 - expected)
