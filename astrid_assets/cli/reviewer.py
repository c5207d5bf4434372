"""`astrid reviewer …`: accounts of reviewers, and their API tokens."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

ROLES = ("reader", "reviewer", "expert", "admin")


@click.group("reviewer")
def reviewer_command() -> None:
    """Add and list reviewers, and make their API tokens.

    \b
    Example:
      astrid reviewer add "Ada Lovelace" --role expert --password
      astrid reviewer token "Ada Lovelace" --purpose notebook
    """  # noqa: D301  click's mark for a paragraph that keeps its lines


@reviewer_command.command("add")
@click.argument("name", help="Name of the account.")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="reviewer",
    show_default=True,
    help="What the account may do.",
)
@click.option(
    "--password/--no-password",
    "with_password",
    default=False,
    help="Ask for a password for the login page (or read it from a pipe).",
)
def add_reviewer_command(name: str, role: str, with_password: bool) -> None:
    """Add a reviewer, or change role and password of one.

    \b
    Example:
      astrid reviewer add ada --role expert --password
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.storage.review.accounts import add_reviewer

    password = _password() if with_password else None
    with _accounts() as session:
        add_reviewer(session, name, role, password)
    click.echo(f"{name} is {role}")
    if password is None:
        click.echo(f'  astrid reviewer token "{name}"   make an API token')


@reviewer_command.command("list")
def list_reviewers() -> None:
    """List the reviewers with their roles and tokens.

    \b
    Example:
      astrid reviewer list
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from rich.console import Console
    from rich.table import Table

    from astrid_assets.storage.review.accounts import all_reviewers, tokens_of

    table = Table("name", "role", "password", "tokens", "added")
    with _accounts() as session:
        rows = all_reviewers(session)
        for row in rows:
            valid = [t.purpose for t in tokens_of(session, row.name) if not t.revoked_at]
            table.add_row(
                row.name,
                row.role if row.is_active else "closed",
                "yes" if row.password_hash else "no",
                ", ".join(valid) or "–",
                f"{row.created_at:%Y-%m-%d}",
            )
    if not rows:
        click.echo("No reviewer yet: astrid reviewer add NAME")
        return
    Console().print(table)


@reviewer_command.command()
@click.argument("name", help="Name of the account.")
@click.option("--purpose", default="api", show_default=True, help="What it is for.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), help="Its life.")
@click.option("--revoke", is_flag=True, help="Revoke the tokens of that purpose.")
def token(name: str, purpose: str, days: float | None, revoke: bool) -> None:
    """Make an API token, shown this once, or revoke tokens.

    \b
    Example:
      astrid reviewer token ada --purpose notebook --days 90
      astrid reviewer token ada --purpose notebook --revoke
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.storage.review.accounts import existing_account, new_token, revoke_tokens

    with _accounts() as session:
        existing_account(session, name)
        if revoke:
            click.echo(f"{revoke_tokens(session, name, purpose)} tokens revoked")
            return
        made = new_token(session, name, purpose, days=days)
    click.echo("Send it as `Authorization: Bearer …`; it is shown only now:", err=True)
    click.echo(made)


@reviewer_command.command()
@click.argument("name", help="Name of the account.")
def close(name: str) -> None:
    """Close an account; its labels stay.

    \b
    Example:
      astrid reviewer close ada
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.storage.review.accounts import deactivate

    with _accounts() as session:
        deactivate(session, name)
    click.echo(f"the account of {name} is closed")


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


@contextmanager
def _accounts() -> Iterator[Session]:
    """One transaction on the accounts; what is refused ends the command."""
    from astrid_assets.cli.workplace import open_catalogue, prepare_home
    from astrid_assets.storage.review.accounts import AccountRefused

    prepare_home()
    try:
        with open_catalogue().begin() as session:
            yield session
    except AccountRefused as error:
        raise click.ClickException(str(error)) from error
