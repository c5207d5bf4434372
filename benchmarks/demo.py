"""What `astrid demo` gives and takes: changes found, the trained network, and its seconds.

Runs the demo twice in a new home folder: two simulated surveys of 12 nights, 72 raw frames
of 768² with bias, dark, flat, cosmic rays, trails, ghosts, clouds and defocus, from raw
frames to the deployed network. The truth of the simulation counts what was found; changes
under masked pixels (saturated stars, trails) cannot be found and are not counted. Before a
model is deployed the rest of the detections are mostly cosmic rays, ghosts and hot pixels,
which the network learns. Intervals are of 95 %.

    .venv/bin/python -m benchmarks.demo
    .venv/bin/python -m benchmarks.demo --tiny --keep
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from astrid_assets.report.page import bin_labels
from astrid_assets.report.summary import collect_report
from astrid_assets.storage.database.catalogue import Catalogue
from benchmarks.figures import Figures, parser_of

if TYPE_CHECKING:
    from astrid_assets.report.summary import SurveyPart

STRONG_SNR = 10


def main() -> None:
    """Run the demo twice, and read its catalogue."""
    parser = parser_of("demo", __doc__)
    parser.add_argument("--tiny", action="store_true", help="one small survey, no training")
    figures = Figures(parser)
    with tempfile.TemporaryDirectory(prefix="astrid-demo-") as folder:
        for row in ("all", "again, when all is done"):
            seconds = run_demo(Path(folder), tiny=figures.options.tiny)
            figures.add("time", row, "wall time", seconds, "s")
        report = collect_report(Catalogue(f"sqlite:///{Path(folder) / 'catalogue.db'}"))
    for survey in report.surveys:
        add_survey(figures, survey)
    run = report.learning.run
    if run is not None and run.performance_metrics:
        add_model(figures, run.performance_metrics)
    figures.finish()


def run_demo(home: Path, *, tiny: bool) -> float:
    """Run the command in a home folder; returns its seconds."""
    command = [str(Path(sys.executable).parent / "astrid"), "demo", *(["--tiny"] if tiny else [])]
    began = time.perf_counter()
    subprocess.run(  # noqa: S603  our own command
        command, env=os.environ | {"ASTRID_HOME": str(home)}, check=True, capture_output=True
    )
    return time.perf_counter() - began


def add_survey(figures: Figures, survey: SurveyPart) -> None:
    """Add what was found of the known changes and of the injected transients."""
    if survey.truth is not None:
        table = f"{survey.name}: known changes, by theoretical S/N"
        _add_bins(figures, table, survey.truth.edges, survey.truth.injected, survey.truth.found)
    if survey.injections is not None:
        part = survey.injections
        table = f"{survey.name}: injected transients, by theoretical S/N"
        _add_bins(figures, table, part.edges, part.injected, part.found)
    table, row = "differences and detections", survey.name
    scatter = [value for night in survey.nights for value in night.std_score]
    figures.add(table, row, "differences", len(scatter))
    if scatter:
        figures.add(table, row, "std(S_corr), least", min(scatter), "σ")
        figures.add(table, row, "std(S_corr), largest", max(scatter), "σ")
    figures.add(table, row, "detections", survey.total("detections"))
    if survey.purity is not None:
        figures.add(table, row, "real before any model", 100 * survey.purity, "%")


def _add_bins(
    figures: Figures, table: str, edges: list[float], known: list[int], found: list[int]
) -> None:
    bins = list(zip(bin_labels(edges), known, found, strict=True))
    strong = [i for i, low in enumerate(edges[:-1]) if low >= STRONG_SNR]
    total = sum(known[i] for i in strong), sum(found[i] for i in strong)
    for row, n_known, n_found in (*bins, (f"all ≥ {STRONG_SNR}", *total)):
        figures.add(table, row, "known", n_known)
        figures.add(table, row, "found", n_found)
        if n_known:
            figures.add(table, row, "share", 100 * n_found / n_known, "%")


def add_model(figures: Figures, metrics: dict) -> None:
    """Add the frozen test split's metrics with their 95 % intervals."""
    table = f"frozen test split: {metrics['n_real']} real, {metrics['n_bogus']} bogus"
    for row, part in (("U-Net", "model"), ("plain S/N ranking", "snr_ranking")):
        for name, value in metrics[part].items():
            for which, key in (("", "value"), (", low", "low"), (", high", "high")):
                figures.add(table, row, name.replace("_", " ") + which, value[key])


if __name__ == "__main__":
    main()
