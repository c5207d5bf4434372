"""Completeness on injected transients: whether a challenger keeps as many as the champion.

Each is known to be there, in a frame of the survey, and no training saw it. But an injected
transient need not look like a real one, so they count here and in no test set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.learning.gate.checks import Check
from astrid_assets.learning.gate.gains import paired_calls
from astrid_assets.learning.gate.slice_losses import paired_share_gain
from astrid_assets.learning.metrics.intervals import Z

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from astrid_assets.learning.gate.settings import GateSettings

    Flags = NDArray[np.bool_]

NAME = "gain in completeness on injected transients"
MORE = "process more nights with injections"


@dataclass(frozen=True)
class KeptInjections:
    """Injected transients that the search found, (n,) each.

    Attributes
    ----------
    kept
        Whether the challenger's score reaches its threshold.
    kept_before
        The same of the champion; None before the first.
    frames
        The frame that each was injected into.
    """

    kept: Flags
    kept_before: Flags | None
    frames: NDArray[np.str_]


def keeps_injections(injected: KeptInjections, settings: GateSettings) -> Check:
    """Fail a challenger that keeps fewer of the injected transients than the champion.

    Passed where the 95 % interval of the gain ends above the tolerated loss, failed where
    it does not and lies wholly below 0; otherwise, and with few transients, not decided,
    which blocks nothing.

    The interval knows that those of one frame are lost together; McNemar's p-value, which is
    shown beside it, does not, because a sign test of a few frames could not fail.
    """
    n = len(injected.kept)
    limit = f"lower end at least {-settings.max_completeness_loss:g}"
    if n < settings.min_injections:
        return Check(
            name=NAME,
            limit=limit,
            detail=f"not enough to decide: {n} injected transients with cutouts, "
            f"{settings.min_injections} are needed (min_injections): {MORE}",
        )
    kept = int(injected.kept.sum())
    if injected.kept_before is None:
        return Check(
            name="completeness on injected transients",
            value=kept / n,
            limit="none for a first model",
            passed=True,
            detail=f"keeps {kept} of the {n} that the search found",
        )
    gain = paired_share_gain(injected.kept, injected.kept_before, injected.frames, Z)
    calls = paired_calls(injected.kept, injected.kept_before, None)
    if gain.low >= -settings.max_completeness_loss:
        passed, found = True, ""
    elif gain.high < 0:
        passed, found = False, "; choose the threshold for another target and train again"
    else:
        passed, found = None, f"; not enough to decide: {MORE}"
    return Check(
        name=NAME,
        value=gain.value,
        low=gain.low,
        high=gain.high,
        limit=limit,
        passed=passed,
        detail=f"keeps {kept} of the {n} that the search found, the champion "
        f"{int(injected.kept_before.sum())}; {calls.only_challenger} only the challenger, "
        f"{calls.only_champion} only the champion (McNemar's p {calls.p_value:.2g}){found}",
    )
