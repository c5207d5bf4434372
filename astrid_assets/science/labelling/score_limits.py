"""Whether a model's score makes a detection real, bogus, or decides nothing.

The band in which a score decides nothing is a factor of the odds to either side of the
model's threshold. Where real is rarer or more frequent than in the training set, the odds of
all scores change by one factor, so the band means the same on every night; and it never
reaches 0 or 1, so that some score always decides.

References
----------
Chow 1970, IEEE Trans. Inf. Theory 16, 41 (the reject option).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Opinion = Literal["real", "bogus", "undecided"]


@dataclass(frozen=True)
class ScoreLimits:
    """Scores below `low` are bogus, from `high` on real, and undecided between.

    Without a band both are the model's threshold.
    """

    low: float
    high: float

    def opinion(self, score: float) -> Opinion:
        """Return what a score says.

        Parameters
        ----------
        score
            Score by the model with this threshold, 0 to 1.

        Returns
        -------
        opinion
            One of `Opinion`.
        """
        if score >= self.high:
            return "real"
        return "undecided" if score >= self.low else "bogus"


def score_limits(threshold: float, undecided_odds: float | None) -> ScoreLimits:
    """Return the limits about a threshold.

    Parameters
    ----------
    threshold
        Score, 0 to 1.
    undecided_odds
        Factor of the odds to either side, above 1; None: every score decides.

    Returns
    -------
    limits
        Scores whose odds are lower and higher by the factor than at the threshold.
    """
    if undecided_odds is None:
        return ScoreLimits(threshold, threshold)
    rest = 1 - threshold
    return ScoreLimits(
        threshold / (threshold + rest * undecided_odds),
        threshold * undecided_odds / (threshold * undecided_odds + rest),
    )
