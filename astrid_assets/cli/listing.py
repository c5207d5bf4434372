"""Rows as a table for the terminal, as CSV, or as JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Value = str | float | bool | None
    Rows = Sequence[Mapping[str, Value]]

FORMATS = ("table", "csv", "json")
WIDE = 250  # characters, where the output is no terminal


def print_rows(rows: Rows, columns: Mapping[str, str], kind: str) -> None:
    """Print rows.

    Parameters
    ----------
    rows
        All with the same keys; CSV and JSON hold them in full.
    columns
        Columns of the table: a format specification by key, in order.
    kind
        One of `FORMATS`.
    """
    if kind == "json":
        click.echo(json.dumps([dict(row) for row in rows], indent=1, allow_nan=False))
    elif kind == "csv":
        click.echo(csv_of(rows), nl=False)
    else:
        _table(rows, columns)


def csv_of(rows: Rows) -> str:
    """Return rows as CSV, all columns."""
    if not rows:
        return ""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _table(rows: Rows, columns: Mapping[str, str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, shape in columns.items():
        table.add_column(name, justify="right" if shape else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(_text(row[name], shape) for name, shape in columns.items()))
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDE)
    console.print(table)


def _text(value: Value, shape: str) -> str:
    if value is None:
        return "-"
    return format(value, shape)
