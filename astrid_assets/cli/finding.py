"""What a check of the doctor found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """What a check found, and the remedy where there is something to do."""

    level: Literal["OK", "WARN", "FAIL"]
    what: str
    remedy: str = ""
