"""Gates of master frames: whether what was combined belonged together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.science.quality.gates import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CLIPPED_FRACTION = 0.02
"""Of a master's values: noise alone loses 0.2 % of five frames, cosmic rays less;
more means that the frames do not show the same thing."""


def master_quality(kind: str, masters: Mapping[str, tuple[float, str]], n_without: int) -> Verdict:
    """The night has this kind of master, and its members agree.

    Parameters
    ----------
    masters
        Clipped fraction and description by name.
    n_without
        Light frames that have none.
    """
    worst = max((fraction for fraction, _ in masters.values()), default=None)
    told = [f"{name}: {text}" for name, (_, text) in masters.items()]
    if n_without:
        told.append(f"{n_without} light frames have no master {kind}")
    return Verdict(
        f"{kind}_master",
        passed=n_without == 0 and (worst is None or worst <= MAX_CLIPPED_FRACTION),
        holds_back=False,
        value=worst,
        limit=f"<= {MAX_CLIPPED_FRACTION:g} clipped, none missing",
        detail="; ".join(told) or f"no master {kind} was needed",
    )
