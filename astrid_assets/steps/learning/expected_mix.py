"""How much of a night is real, and what the model's threshold makes of it: from scores alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.storage.database.tables.learning import Model
from astrid_assets.storage.queries import models
from astrid_assets.storage.review.score_opinions import limits_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from astrid_assets.learning.metrics.intervals import Interval
    from astrid_assets.learning.prevalence import ExpectedNight
    from astrid_assets.science.labelling.score_limits import ScoreLimits


@dataclass(frozen=True)
class NightMix:
    """What to expect of a night, or why nothing is.

    Attributes
    ----------
    expected
        None where the scores do not say.
    why_not
        The reason for that, in a sentence; else empty.
    limits
        Scores from which on the model calls a detection real, and below which bogus.
    """

    expected: ExpectedNight | None
    model: Model | None
    why_not: str = ""
    limits: ScoreLimits | None = None

    @property
    def sentence(self) -> str:
        """The whole of it in words."""
        if self.expected is None or self.model is None or self.limits is None:
            return self.why_not
        found, model, limits = self.expected, self.model, self.limits
        called = (
            f"{model.name} version {model.version} calls {found.n_called} of {found.n} detections "
            f"real (score {limits.high:.3f} and above)"
        )
        if limits.low < limits.high:
            called += (
                f"; {found.n_undecided} ({found.n_undecided / found.n:.1%}) are not decided "
                f"(from {limits.low:.3f} on)"
            )
        real = f"expected real among all: {in_percent(found.prevalence)}"
        if found.purity is None:
            return f"{called}; {real}"
        complete = "" if found.completeness is None else in_percent(found.completeness)
        return (
            f"{called}; {real}; expected purity of those called real: "
            f"{in_percent(found.purity)}; expected completeness: {complete or 'not known'}"
        )

    @property
    def n_undecided(self) -> int:
        """How many detections the model does not decide about."""
        return 0 if self.expected is None else self.expected.n_undecided

    @property
    def purity(self) -> str:
        """The expected purity alone, without its limits; a dash for none."""
        if self.expected is None or self.expected.purity is None:
            return "–"
        return f"{100 * self.expected.purity.value:.0f} %"


def in_percent(interval: Interval) -> str:
    """Return a share with its limits in percent."""
    value, low, high = (f"{100 * one:.3g}" for one in (interval.value, interval.low, interval.high))
    return f"{value} % ({low}–{high} %)"


def expected_mix(session: Session, survey: str, night: str) -> NightMix:
    """Return what the scores of a night's current detections say about it."""
    scores: dict[str | None, list[float]] = defaultdict(list)
    for model_id, score in models.current_scores(session, survey, night):
        scores[model_id].append(score)
    if not scores:
        return NightMix(None, None, "No detections, so no purity is expected")
    if set(scores) == {None}:
        return NightMix(
            None, None, "No model was in force when the night was scored: S/N is no probability"
        )
    if len(scores) > 1:
        return NightMix(
            None,
            None,
            f"The night has scores of {len(scores)} kinds: process it again, "
            "so that one model scores all of it",
        )
    (model_id,) = scores
    model = session.get_one(Model, model_id)
    return mix_of(model, scores[model_id], limits_of(session, model, survey))


def mix_of(model: Model, scores: list[float], limits: ScoreLimits) -> NightMix:
    """Return what a model's scores of a night say about it; at least one."""
    from astrid_assets.learning.prevalence import expected_night

    calibration = model.metrics.get("calibration")
    if not calibration:
        return NightMix(
            None,
            model,
            f"{model.name} version {model.version} keeps no calibration: train another one",
        )
    known = float(calibration["prevalence"])
    found = expected_night(np.array(scores), known, limits.high, limits.low)
    return NightMix(found, model, limits=limits)
