"""`astrid report`: the HTML report, and the same values as tables in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from astrid_assets.report.summary import Report
    from astrid_assets.storage.database.catalogue import Catalogue


@click.command("report")
@click.option("--survey", "surveys", multiple=True, help="Only this one; repeatable.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it; default: report.html in the home folder.",
)
def report_command(surveys: tuple[str, ...], output: Path | None) -> None:
    """Write the HTML report: nights, limits, completeness, model, pictures.

    \b
    Example:
      astrid report
      astrid report --survey mysurvey --output mysurvey.html
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from rich.console import Console

    from astrid_assets.cli.surveys import stored_survey
    from astrid_assets.cli.workplace import open_catalogue, prepare_home

    home = prepare_home()
    catalogue = open_catalogue()
    for name in surveys:
        stored_survey(catalogue, name)
    console = Console()
    values, page = write_report(catalogue, output or home / "report.html", list(surveys))
    print_result(console, values)
    console.print(f"Report: {page}", soft_wrap=True)


def write_report(
    catalogue: Catalogue, page: Path, surveys: list[str] | None = None
) -> tuple[Report, Path]:
    """Write the HTML report; returns its values and its file.

    Raises
    ------
    click.ClickException
        If the file cannot be written.
    """
    from astrid_assets.cli.workplace import open_store
    from astrid_assets.report.page import render_report

    values, html = render_report(catalogue, open_store(), surveys)
    try:
        page.write_text(html, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(
            f"the report cannot be written to {page}: {error.strerror}; "
            "name another file with --output"
        ) from error
    return values, page.resolve()


def print_result(console: Console, report: Report) -> None:
    """Print completeness and purity by S/N, and the model against plain S/N."""
    from rich import box
    from rich.table import Table

    from astrid_assets.report.page import bin_labels

    for survey in report.surveys:
        if survey.truth is None or not sum(survey.truth.injected):
            continue
        labels = bin_labels(survey.truth.edges)
        table = Table(
            title=f"{survey.name}: known changes found, by theoretical S/N",
            title_justify="left",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
        )
        for label in ("", *labels, "≥ 10"):
            table.add_column(label, justify="right")
        known, found = survey.truth.injected, survey.truth.found
        complete = survey.truth.completeness(10)
        table.add_row("known", *map(str, known), "")
        table.add_row("found", *map(str, found), "")
        shares = [_share(f, n) for f, n in zip(found, known, strict=True)]
        table.add_row("share", *shares, "–" if complete is None else f"{complete:.1%}")
        console.print(table)
        if survey.purity is not None:
            console.print(
                f"{survey.name}: purity {survey.purity:.1%} of "
                f"{survey.total('detections')} detections before any model"
            )
    _print_model(console, report)


def _print_model(console: Console, report: Report) -> None:
    from rich import box
    from rich.table import Table

    run = report.learning.run
    if run is None or not run.performance_metrics:
        console.print("No model was trained yet.")
        return
    metrics = run.performance_metrics
    table = Table(
        title=f"Frozen test split: {metrics['n_real']} real, {metrics['n_bogus']} bogus",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for label in ("", "model", "plain S/N"):
        table.add_column(label, justify="right")
    for name in metrics["model"]:
        cells = [
            f"{part[name]['value']:.4f} ({part[name]['low']:.3f}–{part[name]['high']:.3f})"
            for part in (metrics["model"], metrics["snr_ranking"])
        ]
        table.add_row(name.replace("_", " "), *cells)
    console.print(table)
    champion = report.learning.champion
    if champion is None:
        console.print("No model is in force: none passed its gates.")
    else:
        console.print(f"Model in force: {champion.name} version {champion.version}")
    if report.learning.deployments:
        newest = report.learning.deployments[0]
        console.print(f"Last decision: {newest.action}: {newest.reason}")


def _share(found: int, known: int) -> str:
    return f"{found / known:.0%}" if known else "–"
