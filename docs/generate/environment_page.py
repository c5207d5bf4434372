"""Every environment variable, from the example file that names them all."""

from __future__ import annotations

import re
from pathlib import Path

from docs.generate.entries import Entry, Group, Page

EXAMPLE = Path(__file__).resolve().parents[2] / ".env.example"
INTRODUCTION = """
The environment holds addresses and secrets only; everything has a default that works on one machine
without any service. `cp .env.example .env`, and keep what you need.
"""


def page() -> Page:
    """Return the page of environment variables."""
    entries, sentence = [], ""
    for line in EXAMPLE.read_text().splitlines():
        if line.startswith("#"):
            sentence += " " + line.removeprefix("#").strip()
        elif variable := re.match(r"([A-Z0-9_]+)=", line):
            entries.append(Entry(variable[1], sentence or entries[-1].sentence))
            sentence = ""
        else:
            sentence = ""
    group = Group("Variables", "Those of `.env.example`, in its order.", (), tuple(entries))
    return Page("environment", "Environment", INTRODUCTION, (group,))
