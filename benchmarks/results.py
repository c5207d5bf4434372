"""What benchmarks measured, kept as JSON with the commit, the machine and the date.

The documentation shows these files; no figure is copied by hand. A benchmark keeps its
figures with `keep` when it is run with ``--keep``.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import re
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Figure:
    """One measured number: what it is, its value and its unit."""

    name: str
    value: float
    unit: str


def keep(name: str, command: str, figures: list[Figure]) -> Path:
    """Write the figures of a benchmark to ``results/NAME.json`` and return that path.

    Parameters
    ----------
    name
        Of the benchmark; its earlier result is replaced.
    command
        What measures the figures again.
    figures
        Values with their units; they are kept to four digits.

    Raises
    ------
    ValueError
        If there is no figure, or two have the same name.
    """
    if not figures or len({figure.name for figure in figures}) < len(figures):
        raise ValueError(f"{name}: every figure needs a name of its own")
    result = {
        "name": name,
        "command": command,
        "commit": commit(),
        "machine": {"cpu": cpu(), "cores": os.cpu_count()},
        "python": platform.python_version(),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "figures": [asdict(figure) | {"value": rounded(figure.value)} for figure in figures],
    }
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    return path


def kept() -> list[dict[str, object]]:
    """Return every kept result, by name."""
    return [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]


def rounded(value: float) -> float:
    """Return the value to four significant digits."""
    return float(f"{value:.4g}")


def commit() -> str:
    """Return the commit that was measured; ``+`` marks changes that it lacks."""
    said = subprocess.run(
        ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"],  # noqa: S607
        cwd=FOLDER.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout.strip()


def cpu() -> str:
    """Return the model of the processor, without the machine's name."""
    info = Path("/proc/cpuinfo")
    found = (
        re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
        if info.exists()
        else None
    )
    return found[1].strip() if found else platform.machine()
