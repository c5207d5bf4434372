"""One line of an evidence card: a number, its interval, the limit, and whether it passed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astrid_assets.learning.evaluation import Evaluation
    from astrid_assets.learning.gate.gains import PairedCalls
    from astrid_assets.learning.gate.settings import GateSettings
    from astrid_assets.learning.gate.slice_losses import SliceGain
    from astrid_assets.learning.metrics.intervals import Interval

SIGNIFICANT = 0.05
"""Two-sided level of single tests that are not repeated for luck."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was measured against a limit.

    Attributes
    ----------
    value
        None: not measured.
    low, high
        Ends of its 95 % interval; None where it has none.
    limit
        The limit in words.
    passed
        None: not measured, or too uncertain to decide, which blocks nothing but is shown.
    detail
        The finding in a sentence, with the remedy where it failed.
    """

    name: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: str = ""
    passed: bool | None = None
    detail: str = ""

    @property
    def verdict(self) -> str:
        """How it ended, in words."""
        if self.passed is None:
            return "not measured" if self.value is None else "not decided"
        return "passed" if self.passed else "FAILED"

    @property
    def value_in_words(self) -> str:
        """The value, with its interval where it has one."""
        if self.value is None:
            return "not measured"
        if self.low is None or self.high is None:
            return f"{self.value:.4g}"
        return f"{self.value:.4f} ({self.low:.4f} to {self.high:.4f})"


def floors(evaluation: Evaluation, settings: GateSettings) -> list[Check]:
    """Compare a model with the floors that hold whatever the champion.

    The ROC AUC must be proven to reach its floor. The false positive rate and the
    completeness at the ends of the curve hang on a few rows of one class: they must not be
    proven to miss theirs.
    """
    model = evaluation.model
    counted = f"{evaluation.n_real} real, {evaluation.n_bogus} bogus"
    area, rate, kept = model.roc_auc, model.fpr_at_95_completeness, model.completeness_at_1_fpr
    proven = area.low >= settings.min_roc_auc
    if proven:
        found = "proven"
    elif area.high < settings.min_roc_auc:
        found = "the whole interval lies below the floor: train on more or cleaner labels"
    else:
        found = "not proven with so few: label more detections and collect again"
    return [
        _interval(
            "ROC AUC", area, f"lower end at least {settings.min_roc_auc:g}", proven, counted, found
        ),
        _interval(
            "false positive rate at 95 % completeness",
            rate,
            f"lower end at most {settings.max_fpr_at_95_completeness:g}",
            rate.low <= settings.max_fpr_at_95_completeness,
            counted,
        ),
        _interval(
            "completeness at 1 % false positives",
            kept,
            f"upper end at least {settings.min_completeness_at_1_fpr:g}",
            kept.high >= settings.min_completeness_at_1_fpr,
            counted,
        ),
    ]


def beats_snr(evaluation: Evaluation) -> Check:
    """Compare a model with the plain ranking by S/N, on the same rows."""
    gain = evaluation.gain_roc_auc
    return _interval(
        "gain in ROC AUC over plain S/N", gain, "lower end above 0", gain.low > 0, "paired"
    )


def is_calibrated(challenger: Evaluation, champion: Evaluation | None) -> Check:
    """Compare the calibration error with what chance gives, and with the champion's.

    A first model is shown its error and not refused for it: what scored before is S/N, which
    is no probability at all.
    """
    error = challenger.reliability.error
    by_chance = challenger.reliability.largest_expected_error
    detail = f"by chance {challenger.reliability.expected_error:.4f} on average"
    limit = f"at most {by_chance:.4f}, the 95th percentile of chance"
    passed = error <= by_chance
    if champion is None:
        limit += "; a first model is not refused for it"
    else:
        before = champion.reliability.error
        detail += f"; the champion's is {before:.4f}"
        # To keep a champion that is no better calibrated would help nobody.
        passed = passed or error <= before
    if not passed:
        detail += "; a larger val split, or a calibration per survey, mends it"
    return Check(
        name="calibration error",
        value=error,
        limit=limit,
        passed=passed or champion is None,
        detail=detail,
    )


def calls_are_no_worse(calls: PairedCalls) -> Check:
    """Fail a challenger that calls significantly fewer rows right at its threshold."""
    gained = calls.only_challenger - calls.only_champion
    worse = gained < 0 and calls.p_value < SIGNIFICANT
    return Check(
        name="McNemar's test at the thresholds",
        value=calls.p_value,
        limit=f"p at least {SIGNIFICANT:g}, or more called right than before",
        passed=not worse,
        detail=f"{calls.only_challenger} rows are called right by the challenger only, "
        f"{calls.only_champion} by the champion only"
        + ("; choose the threshold for another target and train again" if worse else ""),
    )


def not_proven_worse(name: str, gain: Interval) -> Check:
    """Fail a challenger whose other ranking numbers are proven to be worse."""
    return _interval(
        f"gain in {name}", gain, "upper end at least 0", gain.high >= 0, "paired, over objects"
    )


def slices_hold(gains: list[SliceGain], settings: GateSettings) -> Check:
    """Fail a challenger that is proven to lose too much on a slice."""
    lost = [f"{gain.by} {gain.name}" for gain in gains if gain.blocks]
    worst = min(gains, key=lambda gain: gain.gain.value, default=None)
    return Check(
        name="largest loss on a slice",
        value=None if worst is None else worst.gain.value,
        low=None if worst is None else worst.gain.low,
        high=None if worst is None else worst.gain.high,
        limit=f"no corrected interval wholly below {-settings.max_slice_loss:g}",
        passed=None if worst is None else not lost,
        detail=f"proven worse on {', '.join(lost)}: label more of it and train again"
        if lost
        else f"{len(gains)} slices of at least {settings.min_slice} rows",
    )


def _interval(name: str, interval: Interval, limit: str, passed: bool, *details: str) -> Check:
    return Check(
        name=name,
        value=interval.value,
        low=interval.low,
        high=interval.high,
        limit=limit,
        # numpy's own truth values are no JSON.
        passed=bool(passed),
        detail="; ".join(details),
    )
