"""Whether a model in force is still what it was, on items that were drawn at random.

Two different events. It fell against its own figure: the nights may have changed, or the model
never was so good; that asks for a retraining. It ranks worse than its predecessor on the same
items: that takes it back, for the predecessor is there. Each has its own chance of error.

Items come in one by one, and whoever looks after each of them finds something some day. So
there are looks at 50, 100, 200 and 400 items and at each 400 more, at the newest 400 at most.
Each look gets as much of the chance of error as it brings new items: all looks of 400 items
together err as often as one test would (Boole; Lan & DeMets 1983, Biometrika 70, 659, spent
linearly). Where some random draws give no item that may judge, the looks are counted by draws.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from astrid_assets.learning.gate.attempts import POWER, z_of
from astrid_assets.learning.metrics.intervals import (
    Interval,
    Z,
    area_parts,
    difference_interval,
    paired_areas,
    zero_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Groups = NDArray[np.str_]

WINDOW = 400
"""Random items of some weeks of reviewing: what one test is made of."""

LOOKS = (50, 100, 200, WINDOW)
"""Numbers of items at which the first window is looked at."""

FALSE_ALARM = 0.05
"""Chance that a model that did not change is said to have fallen, in each window."""

WRONG_ROLLBACK = 0.01
"""Chance that a model that is no worse than its predecessor is taken back, in each window."""

MIN_ITEMS = 3
"""Items of either class; intervals hold what they promise from here on."""


@dataclass(frozen=True)
class Look:
    """The items from `start` to before `stop`, and which part of a window's chance they get."""

    start: int
    stop: int
    share: float


@dataclass(frozen=True)
class Draws:
    """Random draws, of which not every one gave an item that may judge.

    Attributes
    ----------
    numbers : (n,)
        Number of the draw of each item, counted from 0, oldest first.
    count
        Draws until now.
    """

    numbers: Sequence[int]
    count: int

    @property
    def look(self) -> Look | None:
        """The newest look, at items; None before the first, or where it brings no new item."""
        counted = last_look(self.count)
        if counted is None:
            return None
        stop = bisect_left(self.numbers, counted.stop)
        before = counted.stop - round(counted.share * WINDOW)
        n_new = stop - bisect_left(self.numbers, before)
        return Look(max(stop - WINDOW, 0), stop, n_new / WINDOW) if n_new else None


@dataclass(frozen=True)
class HealthFinding:
    """What a look found.

    Attributes
    ----------
    event
        True where it happened: the model fell, or is worse than its predecessor.
    loss
        Loss of ROC AUC, with its 95 % interval; None where a class is missing.
    stop
        Number of items up to which was looked; 0 before the first look.
    """

    event: bool
    reason: str
    stop: int = 0
    loss: Interval | None = None


def last_look(n_items: int) -> Look | None:
    """Return the newest look that so many items allow; None before the first."""
    if n_items >= WINDOW:
        stop = n_items // WINDOW * WINDOW
        before = LOOKS[-2] if stop == WINDOW else stop - WINDOW
        return Look(stop - WINDOW, stop, (stop - before) / WINDOW)
    reached = [stop for stop in LOOKS if stop <= n_items]
    if not reached:
        return None
    before = reached[-2] if len(reached) > 1 else 0
    return Look(0, reached[-1], (reached[-1] - before) / WINDOW)


def judge_fall(
    scores: Numbers,
    labels: Flags,
    own: Interval,
    groups: Groups | None = None,
    *,
    draws: Draws | None = None,
) -> HealthFinding:
    """Compare a model on random items with its own figure.

    Parameters
    ----------
    scores : (n,)
        Its scores of random items that it never saw, oldest first.
    labels : (n,), True for real
    own
        Its ROC AUC where it was judged for deployment.
    groups : (n,)
        Object of each item.
    draws
        Which draws gave the items; None: all did.
    """
    look = last_look(len(scores)) if draws is None else draws.look
    if look is None:
        return HealthFinding(event=False, reason=_too_few(len(scores), draws))
    inside = slice(look.start, look.stop)
    labels, scores = labels[inside], scores[inside]
    n_real, n_bogus = int(labels.sum()), int((~labels).sum())
    if min(n_real, n_bogus) < MIN_ITEMS:
        return HealthFinding(event=False, reason=_one_class(n_real, n_bogus), stop=look.stop)
    now = area_parts(scores, labels, None if groups is None else groups[inside]).interval()
    loss = difference_interval(own, now, 0.0)
    z = z_of(FALSE_ALARM * look.share)
    fell = loss.value - (loss.value - loss.low) * z / Z > 0
    noticed = noticeable_fall(own, n_real, n_bogus, FALSE_ALARM * look.share)
    shown = "none, however large" if noticed is None else f"one of {noticed:.3f}"
    return HealthFinding(
        event=bool(fell),
        reason=f"ROC AUC {now.value:.3f} ({now.low:.3f} to {now.high:.3f}) on {n_real} real and "
        f"{n_bogus} bogus random items, {own.value:.3f} ({own.low:.3f} to {own.high:.3f}) when it "
        f"was judged; the smallest fall that these notice in {POWER:.0%} of cases: {shown}",
        stop=look.stop,
        loss=loss,
    )


def judge_predecessor(
    champion: Numbers,
    predecessor: Numbers,
    labels: Flags,
    groups: Groups | None = None,
    *,
    draws: Draws | None = None,
) -> HealthFinding:
    """Compare a model with its predecessor on the same random items.

    Parameters
    ----------
    champion, predecessor : (n,)
        Scores of random items that neither saw, oldest first.
    labels : (n,), True for real
    groups : (n,)
        Object of each item.
    draws
        Which draws gave the items; None: all did.
    """
    look = last_look(len(labels)) if draws is None else draws.look
    if look is None:
        return HealthFinding(event=False, reason=_too_few(len(labels), draws))
    inside = slice(look.start, look.stop)
    labels = labels[inside]
    n_real, n_bogus = int(labels.sum()), int((~labels).sum())
    if min(n_real, n_bogus) < MIN_ITEMS:
        return HealthFinding(event=False, reason=_one_class(n_real, n_bogus), stop=look.stop)
    groups = None if groups is None else groups[inside]
    new, old = (area_parts(scores[inside], labels, groups) for scores in (champion, predecessor))
    loss = paired_areas(old, new)
    z = z_of(WRONG_ROLLBACK * look.share)
    worse = loss.value - (loss.value - loss.low) * z / Z > 0
    return HealthFinding(
        event=bool(worse),
        reason=f"ROC AUC {new.area:.3f} on {n_real} real and {n_bogus} bogus random items, its "
        f"predecessor's {old.area:.3f} on the same; loss {loss.value:+.3f} ({loss.low:+.3f} to "
        f"{loss.high:+.3f})",
        stop=look.stop,
        loss=loss,
    )


def noticeable_fall(own: Interval, n_real: int, n_bogus: int, level: float) -> float | None:
    """Return the fall of ROC AUC that a look notices in `POWER` of cases.

    None where even scores at random would go unnoticed more often.

    References
    ----------
    Hanley & McNeil 1982, Radiology 143, 29: the error of an area.
    """
    own_error = (own.value - own.low) / Z

    def short(fall: float) -> float:
        error = float(np.hypot(own_error, _area_error(own.value - fall, n_real, n_bogus)))
        return fall - (z_of(level) + float(ndtri(POWER))) * error

    largest = own.value - 0.5
    if largest <= 0 or short(largest) < 0:
        return None
    return zero_of(short, 0.0, largest) if short(0.0) < 0 else 0.0


def _area_error(area: float, n_real: int, n_bogus: int) -> float:
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area)
    variance += (n_real - 1) * (first - area**2) + (n_bogus - 1) * (second - area**2)
    return float(np.sqrt(max(variance, 0.0) / (n_real * n_bogus)))


def _too_few(n_items: int, draws: Draws | None) -> str:
    if draws is not None and draws.count >= LOOKS[0]:
        return (
            f"{n_items} random items of the newest draws may judge the model, and the newest look "
            "brings none: it saw the others in its training, did not score them, or they wait for "
            "a second answer"
        )
    return (
        f"{n_items} random items that the model never saw have a label, the first look is at "
        f"{LOOKS[0]}: label more of the random sample"
    )


def _one_class(n_real: int, n_bogus: int) -> str:
    return (
        f"{n_real} real and {n_bogus} bogus among the random items; {MIN_ITEMS} of each are needed"
    )
