"""Which threshold: chosen on the val split for a target that someone stated.

The mix of a training set is that of its labelling, not of a night. The best F1 of a set
that is 87 % real calls everything real; so F1 is that of a stated prevalence, and the
other targets depend on no mix at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.learning.metrics.intervals import Interval, share
from astrid_assets.learning.ranking import check_scores, counts
from astrid_assets.learning.settings import ThresholdSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold, what it was chosen for, and what it came to on the val split."""

    threshold: float
    target: str
    completeness: Interval
    false_positive_rate: Interval


class NoThreshold(ValueError):
    """The target cannot be met with what is known; the message says what is missing."""


def choose_threshold(
    scores: NDArray[np.float64],
    labels: NDArray[np.bool_],
    settings: ThresholdSettings | None = None,
    *,
    bogus_per_night: float | None = None,
) -> ChosenThreshold:
    """Return the threshold that meets a target.

    It lies half-way between the two neighbouring scores, so that a score of another
    detection that differs in the last digit falls on the same side.

    Parameters
    ----------
    scores : (n,)
        From the val split, never from the test split.
    labels : (n,), True for real; both must occur
    settings
        The target; None: F1 at even shares.
    bogus_per_night
        How many bogus candidates a night brings; for that target only.

    Raises
    ------
    CannotEvaluate
        If one of the classes is missing or a score is not finite.
    NoThreshold
        If the target counts false positives per night and no night was counted.
    """
    settings = settings or ThresholdSettings()
    check_scores(labels, scores)
    values, real, bogus = counts(scores, labels, np.ones((1, len(labels))))
    complete, rate = real[0] / labels.sum(), bogus[0] / (~labels).sum()
    if settings.threshold_target == "f1":
        mix = settings.threshold_prevalence
        f1 = 2 * mix * complete / (mix * complete + (1 - mix) * rate + mix)
        at, said = int(np.argmax(f1)), f"best F1 where a share {mix:g} is real"
    elif settings.threshold_target == "completeness":
        enough = complete >= settings.threshold_completeness * (1 - 1e-12)
        at, said = int(np.argmax(enough)), f"completeness {settings.threshold_completeness:g}"
    else:
        if bogus_per_night is None:
            raise NoThreshold(
                "a threshold by false positives per night needs nights with scored "
                "candidates: backfill some, or choose the target f1 or completeness"
            )
        allowed = settings.false_positives_per_night / max(bogus_per_night, 1.0)
        # None of the val split's bogus may pass where fewer are allowed than it can show.
        at = int((rate <= allowed * (1 + 1e-12)).sum()) - 1
        said = (
            f"{settings.false_positives_per_night:g} false positives a night of "
            f"{bogus_per_night:.0f} bogus"
        )
    threshold = _between(values, at)
    called = scores >= threshold
    kept, passed = share(called[labels]), share(called[~labels])
    if kept is None or passed is None:
        raise AssertionError("both classes were there")
    return ChosenThreshold(threshold, said, kept, passed)


def _between(values: NDArray[np.float64], at: int) -> float:
    """Return the middle between a distinct score and the next lower one.

    `at` is -1 where even the highest score is below the threshold.
    """
    if at < 0:
        return float((1.0 + values[0]) / 2)
    below = values[at + 1] if at + 1 < len(values) else 0.0
    return float((values[at] + below) / 2)
