"""Gates of master frames: whether they exist, and whether their members belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.science.quality.gate import Gate, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CLIPPED_FRACTION = 0.02
"""Largest clipped fraction of a master's values: noise alone loses 0.2 % of five frames, cosmic
rays less; more means that the frames do not show the same thing."""

KINDS = ("bias", "dark", "flat")
ASSET = "calibration_masters"
EXISTS = {
    kind: Gate(
        name=f"{kind}_master",
        asset=ASSET,
        claim=f"The frames have a master {kind}.",
        number=f"light frames without a master {kind}",
        blocks=False,
    )
    for kind in KINDS
}
AGREES = {
    kind: Gate(
        name=f"{kind}_members_agree",
        asset=ASSET,
        claim=f"The members of each master {kind} agree.",
        number="clipped fraction of the worst master",
        blocks=False,
    )
    for kind in KINDS
}
MASTER_GATES = (*EXISTS.values(), *AGREES.values())


def master_quality(
    kind: str, masters: Mapping[str, tuple[float, str]], n_without: int
) -> tuple[Verdict, Verdict]:
    """Judge whether the night has this kind of master, and whether its members agree.

    Parameters
    ----------
    kind
        ``bias``, ``dark`` or ``flat``.
    masters
        Clipped fraction and description by name.
    n_without
        Light frames that have none.

    Returns
    -------
    exists, agrees
        On the frames without a master, and on the worst clipped fraction; nothing to
        judge where none was needed.
    """
    worst = max((fraction for fraction, _ in masters.values()), default=None)
    listed = "; ".join(f"{name}: {text}" for name, (_, text) in masters.items())
    needed = bool(masters) or n_without > 0
    missing = f"{n_without} light frames have no master {kind}" if n_without else listed
    return (
        EXISTS[kind].judge(
            n_without if needed else None,
            at_most=0,
            detail=missing or f"no master {kind} was needed",
        ),
        AGREES[kind].judge(
            worst, at_most=MAX_CLIPPED_FRACTION, detail=listed or f"no master {kind} was used"
        ),
    )
