"""Columns of the tables that `api` returns and `astrid subtract` writes, from their list."""

from __future__ import annotations

from astrid_assets.standalone.tables import CANDIDATE_COLUMNS, STAR_COLUMNS, candidate_table
from docs.generate.entries import Entry, Group, Page

INTRODUCTION = """
What `api.difference` and `astrid subtract` list of each candidate, and `api.measure` of each star.
Columns of the sky are there where the frame has a WCS, magnitudes where a zero point is given. In
tables of astropy each column carries its unit and description.
"""


def page() -> Page:
    """Return the page of columns."""
    candidates = [Entry(n, text, (unit,)) for n, (unit, text) in CANDIDATE_COLUMNS.items()]
    empty = candidate_table([], with_sky=True, with_magnitudes=True)
    candidates += [
        Entry(name, empty[name].description or "", ("",))
        for name in empty.colnames
        if name not in CANDIDATE_COLUMNS
    ]
    stars = [Entry(n, text, (unit,)) for n, (unit, text) in STAR_COLUMNS.items()]
    return Page(
        "columns",
        "Columns of candidates and stars",
        INTRODUCTION,
        (
            Group("Candidates", "The most significant first.", ("unit",), tuple(candidates)),
            Group("Stars", "The brightest first.", ("unit",), tuple(stars)),
        ),
    )
