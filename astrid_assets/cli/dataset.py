"""`astrid dataset`: collect, list, show, compare and retire training datasets."""

from __future__ import annotations

import getpass
import json
import sys
from typing import TYPE_CHECKING

import click

from astrid_assets.cli.listing import FORMATS, print_rows

if TYPE_CHECKING:
    from dagster import EventLogEntry

    from astrid_assets.storage.database.tables.learning import TrainingDataset

SHORT_ID = 8
COLUMNS = {
    "id": "",
    "name": "",
    "status": "",
    "samples": "d",
    "real": ".0%",
    "quality": ".2f",
    "created": "",
    "by": "",
}


@click.group("dataset")
def dataset_command() -> None:
    """Collect, list, show, compare and retire training datasets.

    \b
    Example:
      astrid dataset collect --survey mysurvey
      astrid dataset list
    """  # noqa: D301  click's mark for a paragraph that keeps its lines


@dataset_command.command("collect")
@click.option("--name", help="Name that users recognise it by; default: all-labels.")
@click.option("--description", help="Free text; default: what was collected.")
@click.option("--survey", "survey_ids", multiple=True, help="Only this one; repeatable.")
@click.option("--from", "start", help="First night, YYYY-MM-DD.")
@click.option("--to", "end", help="Last night, YYYY-MM-DD.")
@click.option(
    "--cone", "cone_deg", nargs=3, type=float, help="Right ascension, declination, radius (deg)."
)
@click.option(
    "--box",
    "box_deg",
    nargs=4,
    type=float,
    help="Right ascension from and to, declination from and to (deg).",
)
@click.option("--source", "sources", multiple=True, help="Label source to accept; repeatable.")
@click.option("--anomaly-type", "anomaly_types", multiple=True, help="Class of real ones to take.")
@click.option("--confidence-threshold", type=float, help="Lowest confidence of the reviewers.")
@click.option("--quality-score-threshold", type=float, help="Lowest quality score of a frame.")
@click.option("--max-samples", type=int, help="Largest number of cutouts.")
@click.option(
    "--set",
    "others",
    multiple=True,
    metavar="NAME=VALUE",
    help="Any other setting of the collection, such as max_class_ratio=20; repeatable.",
)
def collect_command(others: tuple[str, ...], **options: object) -> None:
    """Freeze the labelled detections into a version, and judge it.

    What is not given keeps its default. Exit code 1 when nothing was collected, or the
    version was refused.

    \b
    Example:
      astrid dataset collect --survey mysurvey --from 2026-01-01
      astrid dataset collect --survey ztf --source catalogue --source survey_score \\
        --set 'judge_on_survey_score=["bogus"]' --set max_class_ratio=20
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from pydantic import ValidationError
    from rich.console import Console

    from astrid_assets.cli.range_runs import run_in_process
    from astrid_assets.cli.workplace import dagster_instance, load_graph, prepare_home
    from astrid_assets.jobs import dataset_job
    from astrid_assets.steps.learning.settings import REQUESTED_BY, CollectionSettings

    given = {name: value for name, value in options.items() if value not in {None, ()}}
    given |= dict(map(_setting, others))
    try:
        asked = CollectionSettings.model_validate(given).model_dump(mode="json", include=set(given))
    except ValidationError as error:
        told = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'settings'}: {one['msg']}"
            for one in error.errors()
        )
        raise click.ClickException(told) from error
    prepare_home()
    console = Console(stderr=True)
    with dagster_instance() as instance, console.status("looking for labels") as line:

        def show(entry: EventLogEntry) -> None:
            if entry.dagster_event is None and entry.user_message:
                line.update(entry.user_message.splitlines()[0])

        outcome = run_in_process(
            load_graph().resolve_job_def(dataset_job.name),
            instance,
            assets=["training_dataset"],
            tags={REQUESTED_BY: getpass.getuser()},
            ops={"training_dataset": {"config": asked}},
            on_event=show,
        )
        made = _made_by(instance, outcome.run_id)
    if made is None:
        raise click.ClickException(
            "; ".join(outcome.errors) or f"run {outcome.run_id} failed; `astrid ui` shows where"
        )
    row = _found(made)
    _print_version(row)
    if row.status in {"refused", "retired"}:
        sys.exit(1)


@dataset_command.command("list")
@click.option("--name", help="Only versions of this name.")
@click.option(
    "--status",
    type=click.Choice(("active", "superseded", "refused", "retired")),
    help="Only versions in this state.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How to print them.",
)
def list_command(name: str | None, status: str | None, kind: str) -> None:
    """List the versions, newest first.

    \b
    Example:
      astrid dataset list --status active
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.workplace import open_catalogue, prepare_home
    from astrid_assets.storage.queries import datasets

    prepare_home()
    with open_catalogue().read() as session:
        rows = datasets.all_datasets(session, name=name, status=status)
    if not rows and kind == "table":
        click.echo("no such dataset; astrid dataset collect makes one")
        return
    print_rows(
        [
            {
                "id": row.id[:SHORT_ID] if kind == "table" else row.id,
                "name": row.name,
                "status": row.status,
                "samples": row.total_samples,
                "real": row.anomaly_ratio,
                "quality": row.quality_score,
                "created": row.created_at.strftime("%Y-%m-%d %H:%M"),
                "by": row.created_by,
            }
            for row in rows
        ],
        COLUMNS,
        kind,
    )


@dataset_command.command("show")
@click.argument("dataset", help="Id or content hash, or the beginning of one.")
def show_command(dataset: str) -> None:
    """Show what a version holds, how it was collected, and its quality.

    \b
    Example:
      astrid dataset show 3f2a91c0
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    row = _found(dataset)
    _print_version(row)
    click.echo("\nsettings")
    for name, value in row.collection_params.items():
        click.echo(f"  {name.replace('_', ' ')}: {json.dumps(value)}")
    click.echo("\nquality")
    for name, value in row.quality_report.items():
        if not isinstance(value, dict | list):
            click.echo(f"  {name.replace('_', ' ')}: {value}")


@dataset_command.command("compare")
@click.argument("first", help="Id or content hash, or the beginning of one.")
@click.argument("second", required=False, help="The same; default: the version before FIRST.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def compare_command(first: str, second: str | None, *, as_json: bool) -> None:
    """Compare two versions: what was added, left out, relabelled, moved.

    \b
    Example:
      astrid dataset compare 3f2a91c0 9b07d1aa
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.workplace import open_catalogue, open_store
    from astrid_assets.steps.learning.comparing import compare_versions
    from astrid_assets.storage.queries import datasets

    one = _found(first)
    if second is None:
        with open_catalogue().read() as session:
            before = datasets.version_before(session, one)
        if before is None:
            raise click.ClickException(f"{one.id} is the first version of {one.name}: name another")
        one, other = before, one
    else:
        other = _found(second)
    found = compare_versions(open_store(), one, other)
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=1))
        return
    click.echo(f"{one.name} {one.id[:SHORT_ID]} -> {other.name} {other.id[:SHORT_ID]}")
    click.echo(
        f"{found.totals[0]} -> {found.totals[1]} samples: {found.added} added, "
        f"{found.left_out} left out, {found.shared} shared; of these {found.relabelled} "
        f"relabelled, {found.moved} on another side"
    )
    click.echo(
        f"real {found.anomaly_ratios[0]:.1%} -> {found.anomaly_ratios[1]:.1%}, quality "
        f"{found.quality_scores[0]:.2f} -> {found.quality_scores[1]:.2f}"
    )
    for column, counts in found.counts.items():
        words = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in counts.items())
        click.echo(f"  {column}: {words}")
    for name, (old, new) in found.settings.items():
        click.echo(f"  setting {name}: {json.dumps(old)} -> {json.dumps(new)}")


@dataset_command.command("retire")
@click.argument("dataset", help="Id or content hash, or the beginning of one.")
@click.option("--reason", required=True, help="Why nobody shall train on it any more.")
def retire_command(dataset: str, reason: str) -> None:
    """Take a version away from training; the one before it is active again.

    \b
    Example:
      astrid dataset retire 3f2a91c0 --reason "the flats of March were wrong"
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.workplace import open_catalogue
    from astrid_assets.storage.queries import dataset_states, datasets

    row = _found(dataset)
    catalogue = open_catalogue()
    try:
        with catalogue.begin() as session:
            dataset_states.retire_version(session, row.id, reason, getpass.getuser())
    except dataset_states.UnusableVersion as error:
        raise click.ClickException(str(error)) from error
    with catalogue.read() as session:
        newest = datasets.newest_dataset(session)
    click.echo(f"{row.id} is retired")
    click.echo(f"active: {newest.id} ({newest.name})" if newest else "no dataset is active")


def _setting(text: str) -> tuple[str, object]:
    """Return name and value of a ``NAME=VALUE``; the value is JSON, or plain text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise click.ClickException(f"--set takes NAME=VALUE, got {text!r}")
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value


def _found(text: str) -> TrainingDataset:
    from astrid_assets.cli.workplace import open_catalogue, prepare_home
    from astrid_assets.storage.queries import datasets

    prepare_home()
    with open_catalogue().read() as session:
        try:
            row = datasets.find_dataset(session, text)
        except datasets.AmbiguousDataset as error:
            raise click.ClickException(str(error)) from error
    if row is None:
        raise click.ClickException(f"there is no dataset {text}: see astrid dataset list")
    return row


def _made_by(instance: object, run_id: str) -> str | None:
    """Return the dataset that a run made; None where it made none."""
    import dagster as dg

    if not isinstance(instance, dg.DagsterInstance):
        raise TypeError(f"{type(instance).__name__} holds no runs")
    records = instance.get_records_for_run(
        run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
    ).records
    for record in records:
        made = record.asset_materialization
        if made is not None and "dataset_id" in made.metadata:
            return str(made.metadata["dataset_id"].value)
    return None


def _print_version(row: TrainingDataset) -> None:
    from astrid_assets.cli.workplace import open_catalogue
    from astrid_assets.storage.queries import datasets

    with open_catalogue().read() as session:
        splits = datasets.split_counts(session, row.id)
    click.echo(f"dataset {row.id} ({row.name}), {row.status}")
    if row.status_reason:
        by = f", by {row.status_by}" if row.status_by else ""
        click.echo(f"  {row.status} since {row.status_at:%Y-%m-%d %H:%M}{by}: {row.status_reason}")
    click.echo(f"  {row.description}" if row.description else "  no description")
    counts = ", ".join(f"{split} {count}" for split, count in splits.items())
    click.echo(
        f"  {row.total_samples} samples ({counts}), {row.anomaly_ratio:.1%} real, quality "
        f"{row.quality_score:.2f}"
    )
    click.echo(f"  collected {row.created_at:%Y-%m-%d %H:%M} by {row.created_by}")
    report = row.collection_report
    if report:
        left_out = ", ".join(
            f"{count} {reason.replace('_', ' ')}" for reason, count in report["left_out"].items()
        )
        click.echo(
            f"  {report['considered']} detections looked at, {report['kept']} taken in "
            f"{report['seconds']:.1f} s" + (f"; left out: {left_out}" if left_out else "")
        )
    if row.mlflow_run_id:
        click.echo(f"  MLflow run training_data_{row.id} ({row.mlflow_run_id})")
