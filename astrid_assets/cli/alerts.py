"""`astrid alerts import`: public alerts as detections one can label and learn from."""

from __future__ import annotations

from pathlib import Path

import click

DESCRIPTION = "Public alerts: cutouts without frames"


@click.group("alerts")
def alerts_command() -> None:
    """Import public alerts with their cutouts and catalogue labels.

    \b
    Example:
      astrid alerts import alerts.parquet
    """  # noqa: D301  click's mark for a paragraph that keeps its lines


@alerts_command.command("import")
@click.argument(
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Table of public alerts to read: .parquet.",
)
@click.option("--survey", default="alerts", show_default=True, help="Where they go.")
def import_alerts_command(file: Path, survey: str) -> None:
    """Make detections of the alerts in FILE (.parquet); twice is no harm.

    Knows ZTF alerts (candid, isdiffpos, cutout_*; their label becomes an event
    marked catalogue) and MeerLICHT candidates with votes (marked import).

    \b
    Example:
      astrid alerts import ztf/alerts.parquet
      astrid alerts import meerlicht/candidates.parquet --survey meerlicht
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.surveys import (
        checked_name,
        profile_of,
        profile_toml,
        store_survey,
        stored_surveys,
    )
    from astrid_assets.cli.workplace import (
        dagster_instance,
        open_catalogue,
        open_store,
        prepare_home,
    )
    from astrid_assets.steps.validated_labels.alerts import import_alerts
    from astrid_assets.surveys.alert_files import NoAlerts
    from astrid_assets.surveys.profile import SurveyProfile
    from astrid_assets.surveys.profile_sources import AlertSource

    prepare_home()
    catalogue = open_catalogue()
    known = {row.name: row for row in stored_surveys(catalogue)}
    if survey in known:
        profile = profile_of(known[survey])
        if not isinstance(profile.source, AlertSource):
            raise click.ClickException(
                f"{survey} is a survey of frames; name another one with --survey"
            )
    else:
        profile = SurveyProfile(
            name=checked_name(survey), description=DESCRIPTION, source=AlertSource()
        )
        with dagster_instance() as instance:
            store_survey(catalogue, instance, survey, profile_toml(profile))
    try:
        report = import_alerts(catalogue, open_store().verifying(), profile, file)
    except NoAlerts as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"{report.read} alerts: {report.detections} detections on {report.nights} "
        f"nights; labels: {report.labels_added} new, {report.labels_known} known "
        f"before, {report.labels_refused} not understood"
    )
    for code, count in report.refused.most_common():
        click.echo(f"  {count} refused: {code.replace('_', ' ')}")
    for example in report.examples[:3]:
        click.echo(f"    {example}", err=True)
