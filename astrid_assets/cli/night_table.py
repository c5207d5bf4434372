"""What became of each night, as a table for the terminal.

Read from the summaries that the steps leave in the catalogue: a few queries, however
many nights. A dash means that the asset has not run.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from astrid_assets.science.reasons import current_code

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlalchemy.orm import Session

COLUMNS = {
    "frames": "frames",
    "good": "accepted",
    "bad": "rejected",
    "diff.": "differences",
    "cand.": "candidates",
    "det.": "detections",
    "labels": "labels",
}
"""Heading → count; short, so that the remarks keep some room in a terminal."""


@dataclass
class NightCounts:
    """One night of one survey; None: that asset has not run."""

    survey: str
    night: str
    frames: int | None = None
    accepted: int | None = None
    rejected: int | None = None
    differences: int | None = None
    candidates: int | None = None
    detections: int | None = None
    labels: int | None = None
    reasons: Counter[str] = field(default_factory=Counter)
    """Why frames or differences were refused, with how many of them."""
    held_back: list[str] = field(default_factory=list)
    """Gates that keep the night from going on."""
    outdated: str | None = None
    """First asset whose inputs or settings have changed since; None: not looked for,
    or none has."""


def night_counts(
    session: Session, survey: str, nights: Collection[str] | None = None
) -> list[NightCounts]:
    """Return the counts of the nights that have run, in time order."""
    from sqlalchemy import select

    from astrid_assets.storage.database.tables.nights import GateVerdict
    from astrid_assets.storage.queries import gates

    assets: dict[str, dict[str, Mapping[str, object]]] = defaultdict(dict)
    for row in gates.summaries(session, survey=survey):
        assets[row.night][row.asset] = row.summary
    counts = {
        night: _counts(survey, night, summaries)
        for night, summaries in sorted(assets.items())
        if nights is None or night in nights
    }
    held = (
        select(GateVerdict.night, GateVerdict.gate)
        .where(GateVerdict.survey == survey)
        .where(GateVerdict.holds_back, ~GateVerdict.passed)
        .order_by(GateVerdict.night, GateVerdict.gate)
    )
    for night, gate in session.execute(held):
        if night in counts:
            counts[night].held_back.append(gate)
    return list(counts.values())


def night_table(nights: Iterable[NightCounts], title: str) -> Table:
    """Return one line per night."""
    table = plain_table(title)
    for column in ("survey", "night"):
        table.add_column(column, no_wrap=True)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("remarks", overflow="fold")
    for row in nights:
        numbers = [getattr(row, name) for name in COLUMNS.values()]
        remarks = [escape(f"{code} {n}") for code, n in sorted(row.reasons.items())]
        remarks += [f"[red]blocked by {escape(gate)}[/red]" for gate in row.held_back]
        if row.outdated is not None:
            remarks.append(f"[yellow]outdated: {row.outdated}[/yellow]")
        table.add_row(
            row.survey,
            row.night,
            *("–" if number is None else str(number) for number in numbers),
            ", ".join(remarks),
        )
    return table


def plain_table(title: str) -> Table:
    """Return an empty table without lines: many columns, narrow terminals."""
    return Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))


def total(nights: Iterable[NightCounts], name: str) -> int:
    """Return the sum of a count over nights."""
    return sum(getattr(row, name) or 0 for row in nights)


def _counts(survey: str, night: str, assets: Mapping[str, Mapping[str, object]]) -> NightCounts:
    raw = assets.get("raw_observations")
    processed = assets.get("processed_frames")
    differences = assets.get("difference_images")
    detections = assets.get("detections")
    row = NightCounts(survey, night)
    if raw is not None:
        refused = _number(raw, "refused")
        row.frames = _number(raw, "lights") + refused
        row.rejected = refused
        row.reasons.update(_door_codes(raw))
    if processed is not None:
        row.accepted = _number(processed, "accepted")
        row.rejected = (row.rejected or 0) + _number(processed, "rejected")
        row.reasons.update(_codes(processed))
    if differences is not None:
        row.differences = _number(differences, "differences")
        row.reasons.update(_codes(differences))
    if detections is not None:
        row.candidates = _number(detections, "candidates")
        row.detections = _number(detections, "detections")
    if "validated_labels" in assets:
        row.labels = _number(assets["validated_labels"], "labelled")
    return row


def _number(summary: Mapping[str, object], name: str) -> int:
    return int(str(summary.get(name) or 0))


def _codes(summary: Mapping[str, object]) -> Mapping[str, int]:
    codes = summary.get("rejected_because")
    return {str(k): int(v) for k, v in codes.items()} if isinstance(codes, dict) else {}


def _door_codes(summary: Mapping[str, object]) -> Counter[str]:
    reasons = summary.get("refused_because")
    if not isinstance(reasons, dict):
        return Counter()
    stored = reasons.values()
    return Counter(current_code(r["code"], r.get("measurements") or {}) for r in stored)
