"""Columns that tables of alerts need, and how they write truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SIGNS = {"t": 1, "true": 1, "1": 1, "1.0": 1, "f": -1, "false": -1, "0": -1, "0.0": -1}
"""Spellings of `isdiffpos` in packets, brokers' tables and CSV files."""

# fmt: off
ZTF_COLUMNS = frozenset({
    "candid", "isdiffpos", "ra", "dec", "jd", "fid", "field", "magpsf", "sigmapsf", "scorr",
    "fwhm", "elong", "diffmaglim", "nbad",
    "cutout_science", "cutout_template", "cutout_difference",
})
MEERLICHT_COLUMNS = frozenset({
    "candidate_id", "votes", "ra", "dec", "date_obs", "band", "field", "mag", "magerr",
    "scorr_peak", "cutout_science", "cutout_reference", "cutout_scorr",
})
# fmt: on


def missing_columns(wanted: Iterable[str], found: Iterable[str]) -> list[str]:
    """Return the wanted columns that a table lacks, in alphabetical order."""
    return sorted(set(wanted) - set(found))


def sign_of(isdiffpos: object) -> int | None:
    """Return 1 for a source that brightened, -1 for one that faded, None for neither word."""
    return SIGNS.get(str(isdiffpos).strip().lower())
