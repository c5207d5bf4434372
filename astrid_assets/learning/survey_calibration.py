"""Temperature and offset of one survey, where items drawn at random suffice for them.

A model learns from all surveys; its scores may be too sure on one of them and shifted
on another. What was drawn at random from a survey shows that; what was drawn because
its score was near the threshold would not. The own temperature and offset are used
where they leave the odds at the threshold certain within `MAX_HALF_WIDTH`, else the
common ones.

The result is a probability at the *common* prevalence: one threshold means the same odds
in every survey, and so another score of the network in each.

References
----------
Platt 1999, Advances in Large Margin Classifiers; Liang & Zeger 1986, Biometrika 73, 13
(variance from groups).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.learning.calibration import fit_calibration
from astrid_assets.learning.metrics.intervals import Z, members_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Groups = NDArray[np.str_]

MAX_HALF_WIDTH = float(np.log(2))
"""Half the 95 % interval of the logit at the threshold: the odds within a factor of 2."""

LOWEST, HIGHEST = 1e-30, 1 - 2**-24
"""Scores of 0 and 1 have no logit; beyond the highest, float32 has nothing but 1."""


@dataclass(frozen=True)
class OwnCalibration:
    """What a survey's logits are divided by and what is added, both after the common ones."""

    temperature: float
    offset: float

    def scores(self, scores: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the survey's scores from those of the model, ``(n,)``."""
        logits = _logit(np.clip(scores.astype(np.float64), LOWEST, HIGHEST))
        return _sigmoid(logits / self.temperature + self.offset).astype(np.float32)

    def network_score(self, score: float) -> float:
        """Return the model's score that becomes a score of the survey."""
        return float(_sigmoid((_logit(np.float64(score)) - self.offset) * self.temperature))


@dataclass(frozen=True)
class SurveyCalibration:
    """Which calibration a survey has, and why.

    Attributes
    ----------
    n_real, n_bogus
        Items of the val split that were drawn at random.
    half_width
        Half the 95 % interval of the logit at the threshold; None without both classes.
    own
        None: the common calibration.
    """

    n_real: int
    n_bogus: int
    half_width: float | None
    own: OwnCalibration | None

    @property
    def reason(self) -> str:
        """Which calibration is used, in a sentence."""
        items = f"{self.n_real} real and {self.n_bogus} bogus of the val split drawn at random"
        if self.half_width is None:
            return f"the common calibration: {items}, both classes are needed"
        known = f"{items} leave the odds at the threshold uncertain by a factor of"
        factor = f"{np.exp(min(self.half_width, 50.0)):.3g}"
        most = f"{np.exp(MAX_HALF_WIDTH):.3g}"
        if self.own is None:
            return f"the common calibration: {known} {factor}, at most {most} is accepted"
        return f"its own calibration: {known} {factor} (at most {most})"


def calibrate_survey(
    scores: Numbers,
    labels: NDArray[np.bool_],
    groups: Groups | None,
    *,
    prevalence: float,
    threshold: float,
) -> SurveyCalibration:
    """Return a survey's own calibration, or the reason for the common one.

    Parameters
    ----------
    scores : (n,)
        Model's scores of the survey's items of the val split that were drawn at random.
    labels : (n,), True for real
    groups : (n,)
        Object of each; None: each stands for itself.
    prevalence, threshold
        Those of the common calibration.
    """
    n_real, n_bogus = int(labels.sum()), int((~labels).sum())
    if not n_real or not n_bogus:
        return SurveyCalibration(n_real, n_bogus, None, None)
    logits = _logit(np.clip(scores, LOWEST, HIGHEST))
    fitted = fit_calibration(logits, labels)
    # From the share of real among these items to the common one.
    shift = float(_logit(np.float64(prevalence)) - _logit(np.float64(fitted.prevalence)))
    own = OwnCalibration(fitted.temperature, fitted.offset + shift)
    at = float(_logit(np.float64(own.network_score(threshold))))
    half_width = Z * _standard_error(
        logits, labels, members_of(len(labels), groups), fitted.probability(logits), at
    )
    accepted = half_width <= MAX_HALF_WIDTH
    return SurveyCalibration(n_real, n_bogus, half_width, own if accepted else None)


def _standard_error(
    logits: Numbers,
    labels: NDArray[np.bool_],
    member: NDArray[np.int64],
    fitted: Numbers,
    at: float,
) -> float:
    """Return that of the calibrated logit at a logit: the larger of two estimates.

    The curvature of the likelihood knows nothing of objects seen many times; the scatter
    between objects is too small where few items are wrong.
    """
    design = np.column_stack([logits, np.ones_like(logits)])  # (n, 2)
    information = design.T @ (design * (fitted * (1 - fitted))[:, None])
    inverse = np.linalg.pinv(information, hermitian=True)
    point = np.array([at, 1.0])
    by_curvature = point @ inverse @ point
    slopes = design * (fitted - labels)[:, None]
    of_groups = np.column_stack([np.bincount(member, weights=column) for column in slopes.T])
    n_groups = len(of_groups)
    scatter = of_groups.T @ of_groups * n_groups / max(n_groups - 1, 1)
    by_groups = point @ inverse @ scatter @ inverse @ point
    return float(np.sqrt(max(by_curvature, by_groups)))


def _logit(probability: Numbers | np.float64) -> Numbers:
    return np.log(probability) - np.log1p(-probability)


def _sigmoid(logit: Numbers | float) -> Numbers:
    return 1 / (1 + np.exp(-np.asarray(logit)))
