"""Measured numbers with their limits, gates, and reason codes, from their declarations."""

from __future__ import annotations

from astrid_assets.science.quality.declarations import MEASURED_NUMBERS, declarations
from astrid_assets.science.quality.difference_gates import DIFFERENCE_GATES
from astrid_assets.science.quality.gates import OTHER_GATES
from astrid_assets.science.quality.master_gates import MASTER_GATES
from astrid_assets.science.reasons import ReasonCode
from docs.generate.entries import Entry, Group, Page

INTRODUCTION = """
Numbers that are measured on every frame and difference, the limits that they are checked against,
the gates that judge a night, and the codes of the reasons that users filter by. A limit itself is
inside: a value at the limit passes.
"""


def page() -> Page:
    """Return the page of measured numbers, limits, gates and codes."""
    numbers = tuple(
        Entry(number.name, number.sentence, (number.label, number.unit, number.where))
        for number in MEASURED_NUMBERS
    )
    limits = tuple(
        Entry(
            row.number,
            row.meaning,
            (f"{row.side} {row.limit}", row.setting, row.severity, row.code),
        )
        for row in declarations()
    )
    gates = tuple(
        Entry(
            gate.name, gate.claim, (gate.asset, gate.number, "blocks" if gate.blocks else "warns")
        )
        for gate in (*OTHER_GATES, *MASTER_GATES, *DIFFERENCE_GATES)
    )
    codes = tuple(Entry(code.value, f"{code.sentence} {code.remedy}") for code in ReasonCode)
    return Page(
        "numbers",
        "Measured numbers and reasons",
        INTRODUCTION,
        (
            Group(
                "Numbers",
                "Measured on every frame, then on every difference.",
                ("shown as", "unit", "measured on"),
                numbers,
            ),
            Group(
                "Limits",
                "The defaults; the profile changes them by the setting.",
                ("limit", "setting", "does", "code"),
                limits,
            ),
            Group(
                "Gates",
                "Verdicts on a night or a version; a value within the limit passes.",
                ("asset", "value", "failure"),
                gates,
            ),
            Group("Reason codes", "What is the case, and what can be done about it.", (), codes),
        ),
    )
