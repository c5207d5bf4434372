"""The gate: scores of two models on the same rows in, an evidence card out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.learning.gate import checks
from astrid_assets.learning.gate.attempts import power_of, z_of
from astrid_assets.learning.gate.card import EvidenceCard, GateOutcome, OwnFigure
from astrid_assets.learning.gate.gains import (
    Gain,
    PairedCalls,
    PairedGains,
    paired_calls,
    paired_gains,
)
from astrid_assets.learning.gate.slice_losses import SliceGain, rows_of_slices, slice_gains
from astrid_assets.learning.metrics.intervals import area_parts, members_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from astrid_assets.learning.evaluation import Evaluation
    from astrid_assets.learning.gate.checks import Check
    from astrid_assets.learning.gate.settings import GateSettings

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Groups = NDArray[np.str_]


@dataclass(frozen=True)
class JudgedRows:
    """Rows that no training of the two models saw, (n,) each.

    Attributes
    ----------
    labels
        True for real.
    snr
        Signed.
    groups
        Object of each row; None: every row stands for itself.
    by
        Per property (``survey``, ``class``) the value of each row.
    at_random
        Whether a row was shown to a reviewer at random; None: not known.
    """

    labels: Flags
    snr: Numbers
    groups: Groups | None = None
    by: Mapping[str, Groups] = field(default_factory=dict)
    at_random: Flags | None = None

    def of_class(self, real: bool) -> int:
        """Return the number of objects of a class."""
        inside = self.labels == real
        return len(np.unique(members_of(len(inside), self.groups)[inside]))


@dataclass(frozen=True)
class JudgedScores:
    """A model on the judged rows.

    Attributes
    ----------
    scores : (n,)
    evaluation
        What these scores come to on these rows.
    sound
        Checks on no labelled rows: of the file (`soundness`), and on injected transients.
    """

    name: str
    scores: Numbers
    evaluation: Evaluation
    sound: Sequence[Check] = ()


def judge_pair(
    challenger: JudgedScores,
    champion: JudgedScores | None,
    rows: JudgedRows,
    settings: GateSettings,
    *,
    attempt: int = 1,
) -> EvidenceCard:
    """Decide whether a challenger replaces the champion, and keep all that led to it.

    Parameters
    ----------
    champion
        None before the first: then plain S/N is the ranking to beat.
    attempt
        Number of the attempt against this champion, from 1; see `attempts`.
    """
    made = [*challenger.sound, *_alone(challenger, champion, settings)]
    gains = _gains(challenger, champion, rows, settings)
    calls, losses = None, []
    if champion is not None and gains is not None:
        calls, losses = _calls(challenger, champion, rows, settings)
        made += [
            checks.not_proven_worse("partial ROC AUC", gains.partial_roc_auc.gain),
            checks.not_proven_worse("average precision", gains.average_precision.gain),
            checks.calls_are_no_worse(calls),
            checks.slices_hold(losses, settings),
        ]
    few = min(rows.of_class(real=True), rows.of_class(real=False))
    against = _against(champion, settings)
    area = None if gains is None else gains.roc_auc
    outcome, reason = _outcome(area, few, attempt, against, settings)
    broken = [check for check in made if check.passed is False]
    if broken:
        reason += "; refused: " + "; ".join(
            f"{check.name} is {check.value_in_words} ({check.limit})" for check in broken
        )
    powers = [
        None if area is None else power_of(area.error, number, settings.swaps_by_luck)
        for number in (attempt, 1)
    ]
    of_model = challenger.evaluation
    return EvidenceCard(
        verdict=outcome.value,
        deploys=outcome == GateOutcome.BETTER and not broken,
        reason=reason,
        challenger=challenger.name,
        champion=None if champion is None else champion.name,
        against=against,
        n_real=of_model.n_real,
        n_bogus=of_model.n_bogus,
        n_objects=of_model.n_objects,
        checks=made,
        gains=gains,
        power=powers[0],
        first_power=powers[1],
        calls=calls,
        slices=losses,
        own=of_model.model,
        before=None if champion is None else champion.evaluation.model,
        figure=_figure(challenger, rows, settings),
        settings=settings.model_dump(mode="json"),
    )


def _alone(
    challenger: JudgedScores, champion: JudgedScores | None, settings: GateSettings
) -> list[Check]:
    """Return the checks that hold whatever the champion ranks like."""
    made = checks.floors(challenger.evaluation, settings)
    if settings.must_beat_snr:
        made.append(checks.beats_snr(challenger.evaluation))
    if settings.must_be_calibrated:
        before = None if champion is None else champion.evaluation
        made.append(checks.is_calibrated(challenger.evaluation, before))
    return made


def _gains(
    challenger: JudgedScores,
    champion: JudgedScores | None,
    rows: JudgedRows,
    settings: GateSettings,
) -> PairedGains | None:
    """Return the gains over the champion, else over plain S/N; None without either."""
    if champion is None and not settings.must_beat_snr:
        return None
    return paired_gains(
        challenger.scores,
        np.abs(rows.snr) if champion is None else champion.scores,
        rows.labels,
        rows.groups,
        partial_fpr=settings.partial_fpr,
        bootstraps=settings.bootstraps,
    )


def _calls(
    challenger: JudgedScores, champion: JudgedScores, rows: JudgedRows, settings: GateSettings
) -> tuple[PairedCalls, list[SliceGain]]:
    """Compare what both call right at their thresholds, in all and by slice."""
    right, before = _right(challenger, rows), _right(champion, rows)
    return paired_calls(right, before, rows.groups), slice_gains(
        right,
        before,
        rows.labels,
        rows.groups,
        rows_of_slices(rows.labels, rows.snr, rows.by),
        min_rows=settings.min_slice,
        max_loss=settings.max_slice_loss,
    )


def refuse(
    verdict: GateOutcome,
    reason: str,
    settings: GateSettings,
    *,
    challenger: str,
    champion: str | None,
    counts: tuple[int, int, int] = (0, 0, 0),
    made: Sequence[Check] = (),
) -> EvidenceCard:
    """Return the card of a model that could not be compared.

    Parameters
    ----------
    counts
        Real, bogus and objects that there were to judge it on.
    made
        Checks that were made.
    """
    return EvidenceCard(
        verdict=verdict.value,
        deploys=False,
        reason=reason,
        challenger=challenger,
        champion=champion,
        against="nothing",
        n_real=counts[0],
        n_bogus=counts[1],
        n_objects=counts[2],
        checks=list(made),
        settings=settings.model_dump(mode="json"),
    )


def _outcome(
    gain: Gain | None, few: int, attempt: int, against: str, settings: GateSettings
) -> tuple[GateOutcome, str]:
    """Return the verdict by the ROC AUC, and what led to it in a sentence."""
    if few < settings.min_per_class:
        return GateOutcome.NOT_ENOUGH, (
            f"not enough to decide: {few} objects of the rarer class were never seen in training, "
            f"{settings.min_per_class} are needed: label more detections and collect again"
        )
    if gain is None:
        return GateOutcome.BETTER, "first model: there is nothing to compare it with"
    level = power_of(gain.error, attempt, settings.swaps_by_luck)
    end = gain.lower_end(z_of(level.level))
    interval = gain.gain
    numbers = (
        f"ROC AUC {gain.challenger:.4f} against {gain.champion:.4f} of {against}, gain "
        f"{interval.value:+.4f} (95 %: {interval.low:+.4f} to {interval.high:+.4f})"
    )
    needed = (
        f"attempt {attempt} asks for a lower end above {settings.min_gain:g} at level "
        f"{level.level:.2g}, it is {end:+.4f}"
    )
    if end > settings.min_gain:
        found, words = GateOutcome.BETTER, f"{'first model, ' * (against == SNR)}better: {numbers}"
    elif interval.low == interval.high == 0:
        found, words = GateOutcome.EQUAL, f"equal, both rank alike: {numbers}"
    elif interval.high < 0:
        found, words = GateOutcome.WORSE, f"worse: {numbers}"
    elif interval.value < 0:
        found, words = GateOutcome.WORSE_WITHIN_NOISE, f"worse within noise: {numbers}"
    else:
        found, words = (
            GateOutcome.EQUAL,
            f"equal as far as these rows show: {numbers}; {needed}",
        )
    return found, words


SNR = "plain S/N"


def _against(champion: JudgedScores | None, settings: GateSettings) -> str:
    if champion is not None:
        return f"the champion ({champion.name})"
    return SNR if settings.must_beat_snr else "nothing"


def _figure(model: JudgedScores, rows: JudgedRows, settings: GateSettings) -> OwnFigure:
    """Return the ROC AUC that later random items are compared with."""
    inside = rows.at_random
    if inside is None or _rarer(rows.labels[inside]) < settings.min_per_class:
        return OwnFigure("all", model.evaluation.model.roc_auc)
    groups = None if rows.groups is None else rows.groups[inside]
    area = area_parts(model.scores[inside], rows.labels[inside], groups).interval()
    return OwnFigure("random", area)


def _rarer(labels: Flags) -> int:
    """Return how many there are of the rarer class."""
    return int(min(labels.sum(), (~labels).sum()))


def _right(model: JudgedScores, rows: JudgedRows) -> Flags:
    return (model.scores >= model.evaluation.threshold) == rows.labels
