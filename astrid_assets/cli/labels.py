"""`astrid labels import|export`: labels as CSV, Parquet or JSON lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from astrid_assets.steps.validated_labels.importing import ImportReport, Source

SOURCES = ("import", "catalogue", "person")
SHOWN = 10


@click.group("labels")
def labels_command() -> None:
    """Import and export labels as CSV, Parquet or JSON lines.

    \b
    Example:
      astrid labels export votes.parquet
      astrid labels import votes.csv --reviewer "Ada Lovelace"
    """  # noqa: D301  click's mark for a paragraph that keeps its lines


@labels_command.command("import")
@click.argument(
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Labels to read: .csv, .jsonl or .parquet.",
)
@click.option(
    "--source",
    type=click.Choice(SOURCES),
    default="import",
    show_default=True,
    help="What kind of reviewer the rows come from.",
)
@click.option("--reviewer", help="Who said it, where the file does not say.")
def import_labels_command(file: Path, source: Source, reviewer: str | None) -> None:
    """Append the labels of FILE (.csv, .parquet, .jsonl); twice is no harm.

    Columns: label (real, bogus, unsure, or bogus_ghost and the like), and
    detection_id, or survey, night, ra_deg and dec_deg; optionally reviewer,
    classification, confidence, notes, created_at, event_key. Exit code 1 when a row
    was refused.

    \b
    Example:
      astrid labels import votes.csv --reviewer "Ada Lovelace"
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.workplace import open_catalogue, prepare_home
    from astrid_assets.steps.validated_labels.files import BadFile
    from astrid_assets.steps.validated_labels.importing import import_labels

    prepare_home()
    try:
        report = import_labels(open_catalogue(), file, source=source, reviewer=reviewer)
    except BadFile as error:
        raise click.ClickException(str(error)) from error
    print_import_report(report)
    if report.refused:
        sys.exit(1)


@labels_command.command("export")
@click.argument(
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write: .csv, .jsonl or .parquet.",
)
@click.option("--survey", "surveys", multiple=True, help="Only of these surveys.")
@click.option(
    "--source",
    "sources",
    multiple=True,
    type=click.Choice((*SOURCES, "truth")),
    help="Only from these kinds of reviewers.",
)
def export_labels_command(file: Path, surveys: tuple[str, ...], sources: tuple[str, ...]) -> None:
    """Write every event to FILE (.csv, .parquet, .jsonl), oldest first.

    With reviewer, time, label, class, confidence, the cutout and model that were
    shown, and the position of the detection.

    \b
    Example:
      astrid labels export votes.csv --survey mysurvey --source person
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.workplace import open_catalogue, prepare_home
    from astrid_assets.steps.validated_labels.exporting import EVENT_COLUMNS, exported_events
    from astrid_assets.steps.validated_labels.files import BadFile, format_of, written

    prepare_home()
    try:
        kind = format_of(file)
    except BadFile as error:
        raise click.ClickException(str(error)) from error
    rows = exported_events(open_catalogue(), surveys=surveys, sources=sources)
    part = file.with_name(file.name + ".part")
    with part.open("wb") as target:
        for content in written(rows, EVENT_COLUMNS, kind):
            target.write(content)
    part.replace(file)
    click.echo(f"wrote {file}")


def print_import_report(report: ImportReport) -> None:
    """Print what became of a file's rows."""
    click.echo(
        f"{report.read} rows: {report.added} new, {report.known} known before, "
        f"{report.refused} refused"
    )
    for code, count in report.reasons.most_common():
        click.echo(f"  {count} {code.replace('_', ' ')}")
    for line, reason in report.examples[:SHOWN]:
        click.echo(f"  line {line}: {reason}", err=True)
