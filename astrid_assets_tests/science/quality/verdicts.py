"""What tests read off the verdicts of gates."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astrid_assets.science.quality.gate import Judged


def blocking_gates(verdicts: Iterable[Judged]) -> list[str]:
    """Return the names of the gates that block the night."""
    return [v.gate for v in verdicts if v.holds_back and not v.passed]
