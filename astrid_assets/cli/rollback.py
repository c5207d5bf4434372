"""`astrid rollback --because TEXT`: an earlier model in force again."""

from __future__ import annotations

import click

from astrid_assets.cli.given import not_empty


@click.command("rollback")
@click.option(
    "--to",
    "version",
    callback=not_empty,
    help="Id or version of an earlier model, or `common` for a survey's way back to the common "
    "champion; without: the one before this.",
)
@click.option("--survey", callback=not_empty, help="Survey whose own champion is taken back.")
@click.option("--because", required=True, help="Why; kept with the decision.")
def rollback_command(version: str | None, survey: str | None, because: str) -> None:
    """Put the model before the one in force in force again, or another earlier one.

    The model that is taken back stays back, unless it is forced. Nights that it scored are
    scored again by `astrid backfill`; its scores are kept. A survey that goes back to the common
    champion follows every later one, until `astrid deploy --survey` gives it its own again.

    \b
    Example:
      astrid rollback --because "calls every star near M31 real"
      astrid rollback --to 5 --because "the last one that we trust"
      astrid rollback --survey ztf --to common --because "its own is no better any more"
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.surveys import stored_survey
    from astrid_assets.cli.workplace import (
        open_catalogue,
        open_store,
        open_tracking,
        prepare_home,
    )
    from astrid_assets.compute import Compute
    from astrid_assets.steps.learning.deployment.in_force import roll_back
    from astrid_assets.steps.learning.settings import DeployedMeanwhile, NoModel
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.queries.models import COMMON

    if not because.strip():
        raise click.UsageError("--because takes the reason, in words")
    prepare_home()
    catalogue = open_catalogue()
    if survey:
        stored_survey(catalogue, survey)
    tools = Tools(catalogue, open_store(), Compute())
    try:
        row, model = roll_back(tools, open_tracking(), because, to=version, scope=survey or "")
    except (NoModel, DeployedMeanwhile) as error:
        raise click.ClickException(str(error)) from error
    whose = f", as for every survey without its own, for {survey}" if row.action == COMMON else ""
    click.echo(f"in force again{whose}: {model.name} version {model.version}")
