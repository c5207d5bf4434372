"""Every `astrid` command with its arguments and options, from click's own objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from astrid_assets.cli.main import astrid
from docs.generate.entries import Entry, Group, Page

if TYPE_CHECKING:
    from collections.abc import Iterator

INTRODUCTION = """
`astrid COMMAND --help` says the same. Set `ASTRID_DEBUG` to see the traceback of a known failure.
"""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command with what one types for it, groups before their commands."""
    yield from _below("astrid", astrid, None)


def _below(
    path: str, command: click.Command, parent: click.Context | None
) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, parent=parent, info_name=path)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is None:
                raise LookupError(f"{path} lists {name}, which is no command")
            yield from _below(f"{path} {name}", found, context)


def page() -> Page:
    """Return the page of commands."""
    groups = [
        Group(path, help_text(command), ("default",), tuple(_entries(command)))
        for path, command in commands()
    ]
    return Page("commands", "Commands", INTRODUCTION, tuple(groups))


def help_text(command: click.Command) -> str:
    """Return a command's help without click's marks for kept lines."""
    return (command.help or "").replace("\b", "").strip()


def _entries(command: click.Command) -> Iterator[Entry]:
    for parameter in command.params:
        default = parameter.default
        shown = "" if default in (None, False, ()) or "UNSET" in repr(default) else f"`{default}`"
        if isinstance(parameter, click.Option):
            names = ", ".join((*parameter.opts, *parameter.secondary_opts))
            if not parameter.is_flag:
                names += f" {parameter.make_metavar(click.Context(command))}"
            yield Entry(names, parameter.help or "", (shown,))
        else:
            name = parameter.make_metavar(click.Context(command))
            yield Entry(name, parameter.help or "", ("",))
