"""A survey's check as text: what fits, what is missing, what AstrID would refuse."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from astrid_assets.surveys.check.check import SurveyReport

SHOWN = 12


def print_check_report(console: Console, report: SurveyReport) -> None:
    """Print everything a check found but the suggested profile."""
    console.print(
        f"[bold]{report.survey}[/bold]: {report.n_files} files; looked into "
        f"{report.n_images} images, {report.n_usable} of them usable"
    )
    console.print(_keywords(report))
    _counts(console, "Types", report.kinds)
    _counts(console, "Nights", report.nights)
    _counts(console, "Bands", report.bands)
    if any(report.fields):
        _counts(console, "Fields", report.fields)
    _counts(console, "Sizes", report.shapes)
    scale = report.pixel_scale_arcsec
    console.print(
        f"WCS      {report.n_with_wcs} of {report.n_usable}"
        + (f", {scale:.3g} arcsec per pixel" if scale else "")
    )
    gains = ", ".join(f"{gain:g}" for gain in report.gains_e_per_adu[:SHOWN])
    console.print(f"Gain     {gains or 'unknown'} electrons per ADU")
    for sentence in report.oddities[:SHOWN]:
        console.print(f"[yellow]Odd[/yellow] {escape(sentence)}", highlight=False)
    if len(report.oddities) > SHOWN:
        console.print(f"… and {len(report.oddities) - SHOWN} more that are odd")
    _rejected(console, report)
    for note, number in sorted(report.notes.items(), key=lambda item: -item[1])[:SHOWN]:
        console.print(f"[yellow]Note[/yellow] {number} × {escape(note)}")


def _keywords(report: SurveyReport) -> Table:
    table = Table(title="Keywords", title_justify="left")
    for column in ("for", "found", "odd", "missing"):
        table.add_column(column, justify="left" if column == "for" else "right")
    table.add_column("examples")
    table.add_column("also there")
    for row in report.keywords:
        numbers = (str(row.found), str(row.odd), str(row.missing))
        table.add_row(
            row.role,
            *numbers,
            escape("\n".join(row.examples)),
            escape(", ".join(row.could_be)),
        )
    return table


def _counts(console: Console, what: str, counts: Mapping[str, int]) -> None:
    shown = [f"{escape(name) or '(none)'} {n}" for name, n in list(counts.items())[:SHOWN]]
    more = len(counts) - SHOWN
    tail = f", … {more} more" if more > 0 else ""
    console.print(f"{what:<8} {', '.join(shown) or 'none'}{tail}", highlight=False)


def _rejected(console: Console, report: SurveyReport) -> None:
    codes = Counter(reason.code for _, _, reason in report.rejected)
    for code, number in codes.most_common():
        example = next(row for row in report.rejected if row[2].code == code)
        console.print(
            f"[red]Refused[/red] {number} × {code}: {escape(example[0])}: "
            f"{escape(example[2].message)}",
            highlight=False,
        )
