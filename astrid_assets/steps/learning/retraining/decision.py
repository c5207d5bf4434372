"""The decision to train again: a pure function of facts and settings.

Why to train: enough new labels; fewer of them where the model errs more on random items than
when it was judged, or ranks them worse, or where nights have drifted for long. Why not now: a
training runs, one has just been, or the last collection lacked labels that have not come. Each
decision has its reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from astrid_assets.learning.drift import chance_of_all
from astrid_assets.science.arrays.intervals import binomial_tail

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from astrid_assets.steps.learning.retraining.settings import RetrainingSettings
    from astrid_assets.storage.review.labels import NewLabels

Action = Literal["wait", "train", "would train"]


@dataclass(frozen=True)
class TrainedDataset:
    """The newest dataset that a model was trained on."""

    id: str
    n_samples: int


@dataclass(frozen=True)
class LackedLabels:
    """What the last collection lacked, and what has come since.

    Attributes
    ----------
    lacking
        Labels by kind: real | bogus | any.
    since
        Labels that are new since it began.
    """

    lacking: Mapping[str, int]
    reason: str
    since: NewLabels

    @property
    def missing(self) -> dict[str, int]:
        """Labels that are still lacking, by kind."""
        came = {"real": self.since.real, "bogus": self.since.bogus, "any": self.since.total}
        return {kind: n - came[kind] for kind, n in self.lacking.items() if n > came[kind]}


@dataclass(frozen=True)
class RandomError:
    """Errors of the model in force on random items that it never saw.

    Attributes
    ----------
    n_wrong, n
        Items that it called otherwise than their label, and all.
    expected
        Share that it got wrong when it was judged: the upper limit of its interval, because
        that figure has its own chance.
    """

    n_wrong: int
    n: int
    expected: float


@dataclass(frozen=True)
class DriftedNight:
    """One number of a night against the first nights of its model.

    Attributes
    ----------
    effect
        Difference of the distributions, at least; None: not measured.
    usual
        The same of the most different of the reference nights.
    """

    night: str
    effect: float | None
    usual: float | None
    n_reference: int


@dataclass(frozen=True)
class RetrainingFacts:
    """What the decision is made of.

    Attributes
    ----------
    new
        Labels that are new to the newest dataset that was trained on.
    dataset
        None before the first training; then all labels are new.
    hours_since
        Since the last training began, or another run for it failed; None: there was none.
    last_run
        The last run for a training, whatever became of it.
    is_training
        A run for a training waits or runs.
    lacked
        None where the last collection passed its gates, or there was none.
    error
        None where there is no model or no figure.
    fallen
        Why the model in force is said to have fallen against its own figure; None: it is not.
    drift
        Numbers of the nights by survey and name of the number, newest first.
    """

    new: NewLabels
    dataset: TrainedDataset | None = None
    hours_since: float | None = None
    last_run: str | None = None
    is_training: bool = False
    lacked: LackedLabels | None = None
    error: RandomError | None = None
    fallen: str | None = None
    drift: Mapping[tuple[str, str], Sequence[DriftedNight]] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """What to do, why, and the key of the run: equal facts give an equal key."""

    action: Action
    reason: str
    run_key: str | None = None


def should_retrain(facts: RetrainingFacts, settings: RetrainingSettings) -> Decision:
    """Decide whether to train, and say why.

    Returns
    -------
    decision : its key follows from the dataset, the state of the labels and the last run, so
        that one state of the labels starts one training, and another one only after a failure
    """
    errs_more = _errs_more(facts.error, settings)
    worse = [why for why in (errs_more, facts.fallen) if why]
    worse += lasting_drift(facts.drift, settings).values()
    needed = _needed(facts.dataset, settings, is_worse=bool(worse))
    since = (
        f"since dataset {facts.dataset.id[:8]}, the newest that was trained on"
        if facts.dataset
        else "and no training yet"
    )
    new = facts.new
    found = "; ".join(
        [f"{new.total} new labels ({new.real} real, {new.bogus} bogus) {since}", *worse]
    )
    if new.total < needed:
        return Decision("wait", f"{found}: {needed} needed")
    if facts.is_training:
        return Decision("wait", f"{found}: a training is under way")
    if facts.lacked is not None and (missing := facts.lacked.missing):
        more = ", ".join(
            f"{n} more {'of either kind' if kind == 'any' else kind}"
            for kind, n in sorted(missing.items())
        )
        return Decision(
            "wait",
            f"{found}: the last collection lacked labels, and {more} must come first "
            f"({facts.lacked.reason})",
        )
    if facts.hours_since is not None and facts.hours_since < settings.cool_down_h:
        return Decision(
            "wait",
            f"{found}: the last training began or failed {facts.hours_since:.1f} hours ago, the "
            f"next one may begin after {settings.cool_down_h:g}",
        )
    if settings.dry_run:
        return Decision("would train", f"dry run: a training would start for {found}")
    return Decision("train", found, _run_key(facts))


def _needed(dataset: TrainedDataset | None, settings: RetrainingSettings, *, is_worse: bool) -> int:
    if dataset is None:
        return settings.min_first_labels
    usual = max(settings.min_labels, math.ceil(settings.min_share * dataset.n_samples))
    return min(usual, settings.min_labels_if_worse) if is_worse else usual


def _errs_more(error: RandomError | None, settings: RetrainingSettings) -> str | None:
    """Return in words that the model errs more than it did; None where it may not."""
    if error is None or error.n == 0:
        return None
    # One-sided and exact: small numbers decide here.
    chance = binomial_tail(error.n_wrong, error.n, error.expected)
    if chance > settings.error_level:
        return None
    return (
        f"{error.n_wrong} of {error.n} random items called wrongly, at most "
        f"{error.expected:.1%} when the model was judged (chance {chance:.2g})"
    )


def lasting_drift(
    drift: Mapping[tuple[str, str], Sequence[DriftedNight]], settings: RetrainingSettings
) -> dict[str, str]:
    """Return what has drifted night after night, each with a sentence.

    Returns
    -------
    drifted : by survey and name of the number, as ``survey/number``
    """
    judged = {
        which: nights[: settings.drift_nights]
        for which, nights in drift.items()
        if len(nights) >= settings.drift_nights
    }
    drifted = {}
    for (survey, number), nights in sorted(judged.items()):
        effects = [night.effect for night in nights if _stands_out(night, settings)]
        fewest = min(night.n_reference for night in nights)
        by_luck = chance_of_all(len(nights), fewest)
        if len(effects) == len(nights) and by_luck <= settings.drift_level / len(judged):
            drifted[f"{survey}/{number}"] = (
                f"{number} of {survey} has drifted ({nights[-1].night} to {nights[0].night}, by at "
                f"least {min(effect or 0.0 for effect in effects):.2f})"
            )
    return drifted


def _stands_out(night: DriftedNight, settings: RetrainingSettings) -> bool:
    """Return whether a night differs by what matters, and more than any reference night."""
    return night.effect is not None and night.effect > max(
        settings.drift_effect, night.usual or 0.0
    )


def _run_key(facts: RetrainingFacts) -> str:
    dataset = facts.dataset.id if facts.dataset else "none"
    return (
        f"dataset {dataset}, {facts.new.real} real and {facts.new.bogus} bogus labels up to "
        f"event {facts.new.newest}, after run {facts.last_run or 'none'}"
    )
