"""`astrid doctor`: what AstrID needs, whether it is here, and whether it works.

Each check looks at one thing, in the order in which they depend on each other, and
says what to do about it. A check that cannot run because of an earlier one is
reported as such, not left out.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from astrid_assets.cli.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COLOURS = {"OK": "green", "WARN": "yellow", "FAIL": "red"}


Check = tuple[str, "Callable[[], Iterator[Finding]]"]


@click.command("doctor")
@click.option("--fix", is_flag=True, help="Mend what can be mended without risk.")
@click.option(
    "--verify",
    is_flag=True,
    help="Read and hash every object, and have the database check itself.",
)
def doctor_command(fix: bool, verify: bool) -> None:
    """Check the installation, the services and what a crash may have left behind.

    With --verify also every object that the catalogue names: what is lost or damaged is
    listed night by night, with the command that makes it again; --fix does so at once.

    Exit code 1 when something has to be done before AstrID works.

    \b
    Example:
      astrid doctor
      astrid doctor --fix
      astrid doctor --verify --fix
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli import doctor_checks as checks
    from astrid_assets.cli import verifying
    from astrid_assets.cli.lagging_aliases import check_aliases

    every: list[Check] = [
        ("Python", checks.check_python),
        ("Packages", checks.check_packages),
        ("Settings", checks.check_settings),
        ("Home", lambda: checks.check_home(fix=fix)),
        ("Store", checks.check_store),
        ("Catalogue", checks.check_catalogue),
        ("Surveys", lambda: checks.check_surveys(fix=fix)),
        ("MLflow", lambda: checks.check_mlflow(fix=fix)),
        ("Aliases", lambda: check_aliases(fix=fix)),
        ("Dagster", checks.check_dagster),
        ("Graph", checks.check_graph),
        ("Runs", lambda: checks.check_runs(fix=fix)),
        ("Leftovers", lambda: checks.check_leftovers(fix=fix)),
    ]
    if verify:
        every += [
            ("Database", lambda: verifying.check_database(fix=fix)),
            ("Objects", lambda: verifying.check_objects(fix=fix)),
        ]
    failed = False
    for name, check in every:
        for finding in findings(check):
            failed |= finding.level == "FAIL"
            level = click.style(f"{finding.level:<4}", fg=COLOURS[finding.level])
            click.echo(f"{level} {name:<10} {finding.what}")
            if finding.remedy:
                click.echo(f"{'':<15} → {finding.remedy}")
    if failed:
        sys.exit(1)


def findings(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Run a check; a known failure is a finding, with the remedy in its message."""
    from astrid_assets.failures import known_failures

    try:
        yield from check()
    except click.ClickException as error:
        yield Finding("FAIL", error.message)
    except known_failures() as error:
        yield Finding("FAIL", str(error))
