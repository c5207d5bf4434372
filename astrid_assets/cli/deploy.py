"""`astrid deploy [MODEL]`: judge a model, and put it in force if it is better."""

from __future__ import annotations

import click

from astrid_assets.cli.given import not_empty


@click.command("deploy")
@click.argument(
    "model",
    required=False,
    callback=not_empty,
    help="Id or version of a model, or the beginning of its id; without: the newest.",
)
@click.option(
    "--survey", callback=not_empty, help="Survey that it is to score alone; without: all."
)
@click.option("--force", is_flag=True, help="Deploy whatever the comparison says; needs --because.")
@click.option("--because", default="", help="Why it is forced; kept with the decision.")
def deploy_command(model: str | None, survey: str | None, force: bool, because: str) -> None:
    """Compare MODEL with the model in force, and put it in force if it is better.

    Both are judged on the rows of the newest dataset that neither of their trainings saw.
    A survey's own champion scores that survey alone; the common one scores the others. Its
    first comes by --survey; from then on, without MODEL, the newest is judged there too.

    \b
    Example:
      astrid deploy
      astrid deploy 7 --survey ztf
      astrid deploy 7 --force --because "the dataset of before was wrong"
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.surveys import stored_survey
    from astrid_assets.cli.workplace import (
        open_catalogue,
        open_store,
        open_tracking,
        prepare_home,
    )
    from astrid_assets.compute import Compute
    from astrid_assets.learning.inference import UnusableModel
    from astrid_assets.learning.ranking import CannotEvaluate
    from astrid_assets.steps.learning.deploy import deploy_newest
    from astrid_assets.steps.learning.deployment.every_scope import deploy_in_every_scope
    from astrid_assets.steps.learning.settings import (
        DeployedMeanwhile,
        DeploymentSettings,
        NoDataset,
        NoModel,
    )
    from astrid_assets.steps.nights import Tools

    if force != bool(because.strip()):
        raise click.UsageError("--force and --because TEXT belong together")
    home = prepare_home()
    catalogue = open_catalogue()
    if survey:
        stored_survey(catalogue, survey)
    tools = Tools(catalogue, open_store().verifying(), Compute())
    tracking, settings, work = open_tracking(), DeploymentSettings(), home / "work"
    try:
        if model or survey or force:
            report = deploy_newest(
                tools,
                tracking,
                settings,
                work,
                name=model,
                scope=survey or "",
                force_because=because,
            )
            reports = {survey or "": report}
        else:
            reports = deploy_in_every_scope(tools, tracking, settings, work)
    except (NoModel, NoDataset, DeployedMeanwhile, CannotEvaluate, UnusableModel) as error:
        raise click.ClickException(str(error)) from error
    for scope, report in reports.items():
        click.echo(f"{report.action}: {report.reason}")
        whose = scope or "every survey without a champion of its own"
        found = f"version {report.model.version}" if report.model else "no model"
        click.echo(f"in force for {whose}: {found}")
