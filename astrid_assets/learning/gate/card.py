"""The evidence card: all that the gate measured, its limits, and the verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astrid_assets.learning.gate.attempts import Power
    from astrid_assets.learning.gate.checks import Check
    from astrid_assets.learning.gate.gains import PairedCalls, PairedGains
    from astrid_assets.learning.gate.slice_losses import SliceGain
    from astrid_assets.learning.metrics.intervals import Interval
    from astrid_assets.learning.ranking import Ranking


class GateOutcome(StrEnum):
    """How a challenger compares; only BETTER is deployed, so an equal keeps the champion."""

    BETTER = "better"
    EQUAL = "equal"
    WORSE_WITHIN_NOISE = "worse within noise"
    WORSE = "worse"
    NOT_ENOUGH = "not enough to decide"
    UNUSABLE = "unusable"


@dataclass(frozen=True)
class OwnFigure:
    """A model's ROC AUC on rows that it never saw.

    `rows`: ``random``, those that reviewers were shown at random, or ``all`` where these
    were too few.
    """

    rows: str
    roc_auc: Interval


@dataclass(frozen=True, kw_only=True)
class EvidenceCard:
    """What the gate found.

    Attributes
    ----------
    verdict
        By the gain in ROC AUC over `against`; ``unusable`` where the model computes nonsense.
    deploys
        True for a better one that passed all checks.
    challenger, champion
        Their names; the champion is None before the first.
    against
        What it was compared with: the champion, plain S/N, or nothing.
    n_real, n_bogus, n_objects
        What the rows hold that neither training saw.
    power, first_power
        What these rows show at this attempt, and would have shown at the first.
    own, before
        Rankings of challenger and champion, each with its own intervals.
    figure
        What later random items are compared with, see `health`.
    settings
        All limits.
    """

    verdict: str
    deploys: bool
    reason: str
    challenger: str
    champion: str | None
    against: str
    n_real: int
    n_bogus: int
    n_objects: int
    checks: list[Check] = field(default_factory=list)
    gains: PairedGains | None = None
    power: Power | None = None
    first_power: Power | None = None
    calls: PairedCalls | None = None
    slices: list[SliceGain] = field(default_factory=list)
    own: Ranking | None = None
    before: Ranking | None = None
    figure: OwnFigure | None = None
    settings: dict[str, object] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Return plain values, for JSON."""
        return asdict(self)

    @property
    def failed(self) -> list[Check]:
        """The checks that block."""
        return [check for check in self.checks if check.passed is False]
