"""Settings of a training on the command line: ``--set name=value``."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import ValidationError

    from astrid_assets.learning.settings import TrainingSettings


def assigned(assignments: Iterable[str]) -> dict[str, object]:
    """Return values by name of texts such as ``epochs=5`` or ``channels=["science"]``.

    A value is read as TOML; what is none is a text.

    Raises
    ------
    click.UsageError
        If a text has no ``=``.
    """
    values: dict[str, object] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise click.UsageError(f"--set needs name=value, not {assignment!r}")
        try:
            values[name.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[name.strip()] = text.strip()
    return values


def changed_settings(settings: TrainingSettings, values: Mapping[str, object]) -> TrainingSettings:
    """Return settings with some values in place of theirs.

    Raises
    ------
    click.UsageError
        If there is no setting of a name, or it cannot have the value.
    """
    from pydantic import ValidationError

    from astrid_assets.learning.search.space import with_values

    try:
        return with_values(settings, values)
    except ValidationError as error:
        raise click.UsageError(first_fault(error)) from error


def first_fault(error: ValidationError) -> str:
    """Return the first thing that is wrong with settings."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return f"there is no setting {place}: the page Settings lists them"
    return f"{place}: {said}" if place else said
