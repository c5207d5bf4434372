"""Measured figures, from the JSON files that the benchmarks keep."""

from __future__ import annotations

import json
from pathlib import Path

from docs.generate.entries import Entry, Group, Page

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
INTRODUCTION = """
What the benchmarks measured, each with the commit, the machine and the date. The command measures
it again and keeps it in `benchmarks/results`, which this page shows. Times are those of a machine
that may have done other work too. The README has more figures, from benchmarks that take longer.
"""


def page() -> Page:
    """Return the page of numbers, one group per kept result."""
    results = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))]
    return Page("numbers", "Numbers", INTRODUCTION, tuple(_group(result) for result in results))


def _group(result: dict) -> Group:
    machine = result["machine"]
    sentence = (
        f"`{result['command']}`, commit `{result['commit']}`, {result['date']}, "
        f"{machine['cpu']}, {machine['cores']} cores, Python {result['python']}."
    )
    entries = tuple(Entry(f["name"], f["unit"], (f"{f['value']:g}",)) for f in result["figures"])
    return Group(result["name"], sentence, ("value",), entries)
