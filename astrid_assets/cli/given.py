"""What options must hold before any work begins."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path


def not_empty(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse an empty name, as a shell makes of an unset variable: it does not mean "all"."""
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty: give a name, or leave it out", context, parameter)
    return value


def in_a_folder(
    context: click.Context, parameter: click.Parameter, value: Path | None
) -> Path | None:
    """Refuse a file that cannot be written, before what it is to hold is computed."""
    if value is not None and not value.parent.is_dir():
        raise click.BadParameter(
            f"there is no folder {value.parent}: make it first", context, parameter
        )
    if value is not None and not os.access(value if value.exists() else value.parent, os.W_OK):
        raise click.BadParameter(f"{value} may not be written", context, parameter)
    return value
