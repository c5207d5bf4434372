"""What is called real and what is not, at one threshold, and at another mix of the sky.

Purity depends on how many bogus come with each real; completeness and false positive
rate do not. So the two are measured, and purity follows for any prevalence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.learning.metrics.intervals import Interval, combined, share

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Groups = NDArray[np.str_]

SKY = (0.5, 0.1, 0.01, 0.005)
"""Shares of real that a purity is quoted for: even, one in ten, a hundred, two hundred."""


@dataclass(frozen=True)
class Confusion:
    """Counts of a two by two table; real is the positive class."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int

    @property
    def f1(self) -> float:
        """Harmonic mean of purity and completeness."""
        wrong = self.false_positives + self.false_negatives
        return _ratio(2 * self.true_positives, 2 * self.true_positives + wrong)

    @property
    def mcc(self) -> float:
        """Correlation of what is called with what is (Matthews 1975); 0 where all is alike."""
        hits, alarms = self.true_positives, self.false_positives
        passed, missed = self.true_negatives, self.false_negatives
        # As floats: the product of four counts of pixels is beyond an integer of numpy.
        product = float(hits + alarms) * (hits + missed) * (passed + alarms) * (passed + missed)
        return float(hits * passed - alarms * missed) / product**0.5 if product else 0.0

    def report(self) -> dict[str, ClassLine]:
        """Return purity, completeness and F1 of either class."""
        turned = Confusion(
            self.true_negatives, self.false_negatives, self.true_positives, self.false_positives
        )
        return {"real": self._line(), "bogus": turned._line()}

    def _line(self) -> ClassLine:
        hits = self.true_positives
        return ClassLine(
            _ratio(hits, hits + self.false_positives),
            _ratio(hits, hits + self.false_negatives),
            self.f1,
            hits + self.false_negatives,
        )


@dataclass(frozen=True)
class ClassLine:
    """One class of a classification report; `support` is how many there are of it."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class PurityAt:
    """What is to be expected where a share `prevalence` of all is real."""

    prevalence: float
    purity: Interval | None
    f1: float
    accuracy: float


def confusion(called: Flags, labels: Flags) -> Confusion:
    """Count hits and misses, ``(n,)`` each."""
    return Confusion(
        int((called & labels).sum()),
        int((called & ~labels).sum()),
        int((~called & ~labels).sum()),
        int((~called & labels).sum()),
    )


def purity_at(
    prevalences: Sequence[float], called: Flags, labels: Flags, groups: Groups | None
) -> list[PurityAt]:
    """Return purity, F1 and accuracy at other mixes, from completeness and false positives.

    Parameters
    ----------
    prevalences
        Shares of real, above 0 and below 1.
    called, labels : (n,); both classes must occur
    groups : (n,)
    """
    complete = share(called[labels], None if groups is None else groups[labels])
    false = share(called[~labels], None if groups is None else groups[~labels])
    if complete is None or false is None:
        raise ValueError("purity at another mix needs both classes")
    found = []
    for mix in prevalences:
        kept, alarms = mix * complete.value, (1 - mix) * false.value

        def purity(completeness: float, rate: float, mix: float = mix) -> float:
            real = mix * completeness
            return _ratio(real, real + (1 - mix) * rate)

        found.append(
            PurityAt(
                mix,
                combined(purity, complete, false) if kept + alarms > 0 else None,
                _ratio(2 * kept, kept + alarms + mix),
                kept + (1 - mix) * (1 - false.value),
            )
        )
    return found


def _ratio(some: float, of: float) -> float:
    return some / of if of else 0.0
