"""What consensus makes of reviewers who err: scripts label a simulated survey.

Three reviewers label every detection of a simulated survey through the REST API, two
of three deciding, each with a share of wrong answers. The truth of the simulation
then tells how often each of them, and their consensus, was wrong.

    .venv/bin/python -m benchmarks.reviewers
    .venv/bin/python -m benchmarks.reviewers --wrong 0.05 0.05 0.2
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from fastapi.testclient import TestClient
from rich.console import Console
from sqlalchemy import select

from astrid_assets.science.labelling.dawid_skene import dawid_skene
from astrid_assets.storage.database.tables.review import VoteRow
from astrid_assets.storage.review import reviewer_stats
from astrid_assets.storage.review.queue import waiting
from astrid_assets.web.app import create_app
from astrid_assets.web.settings import WebSettings
from astrid_assets_tests.web.scripted import known_truth, label_all, wrong_shares

if TYPE_CHECKING:
    from fastapi import FastAPI

    from astrid_assets.storage.database.catalogue import Catalogue

NAME = "sim-reviewed"
PROFILE = f"""
name = "{NAME}"
[source]
kind = "simulated"
scene = "wide"
seed = 5
nights = 12
frames_per_night = 3
shape = [640, 640]
[keywords]
field = ["OBJECT"]
[calibration]
frames_are = "raw"
[reference]
before = "2025-03-04"
[labels]
double_share = 1.0
"""
SEED = 11


def main() -> None:
    """Make the survey, let the scripts label it, print who was wrong how often."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wrong", type=float, nargs="+", default=[0.05] * 3)
    arguments = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="astrid-reviewers-") as folder:
        home = Path(folder)
        started = time.perf_counter()
        make_survey(home)
        console.print(f"survey made in {time.perf_counter() - started:.0f} s")
        app = create_app(
            WebSettings(
                database_url=f"sqlite:///{home / 'catalogue.db'}",
                store_url=str(home / "store"),
            )
        )
        catalogue: Catalogue = app.state.astrid.catalogue
        report(app, catalogue, arguments.wrong, console)


def make_survey(home: Path) -> None:
    """Run the simulated survey from raw frames to detections."""
    (home / "survey.toml").write_text(PROFILE)
    astrid = Path(sys.executable).parent / "astrid"
    for words in (["survey", "add", "survey.toml"], ["backfill", "--survey", NAME]):
        subprocess.run(  # noqa: S603  our own command
            [astrid, *words],
            cwd=home,
            env=os.environ | {"ASTRID_HOME": str(home)},
            check=True,
            capture_output=True,
        )


def report(app: FastAPI, catalogue: Catalogue, wrong: list[float], console: Console) -> None:
    """Label everything and print the numbers."""
    client = TestClient(app)
    truth = known_truth(catalogue)
    names = {f"reviewer {n + 1}": share for n, share in enumerate(wrong)}
    started = time.perf_counter()
    votes = label_all(client, truth, names, np.random.default_rng(SEED))
    seconds = time.perf_counter() - started
    people, decided, n_labels = wrong_shares(catalogue, truth)
    with catalogue.begin() as session:
        agreement = reviewer_stats.agreement(session, NAME)
        places = waiting(session, NAME)
        votes_cast = list(session.scalars(select(VoteRow).where(VoteRow.source == "person")))
    ids, item = np.unique([vote.detection_id for vote in votes_cast], return_inverse=True)
    _, person = np.unique([vote.reviewer for vote in votes_cast], return_inverse=True)
    said = np.array([int(vote.label == "real") for vote in votes_cast])
    learned = dawid_skene(item, person, said)
    console.print(
        f"{len(truth)} detections, {votes} votes through the API in {seconds:.0f} s "
        f"({1000 * seconds / votes:.0f} ms each); places: {places}"
    )
    for name, share in people.items():
        console.print(f"{name}: {100 * share:.2f} % wrong")
    console.print(f"consensus: {100 * decided:.2f} % wrong of {n_labels} labels")
    console.print(
        f"Fleiss' kappa {agreement.fleiss:.3f}; label noise from disagreement "
        f"{100 * (agreement.noise or 0):.1f} % of single votes"
    )
    accuracy = ", ".join(f"{100 * value:.1f} %" for value in learned.accuracy)
    best = learned.posterior.argmax(axis=1)
    is_real = np.array([truth[id_] == "real" for id_ in ids])
    console.print(
        f"Dawid-Skene without the truth: reviewers right {accuracy}; "
        f"{100 * (best != is_real).mean():.2f} % of its labels wrong, "
        f"{100 * learned.noise:.2f} % by its own estimate"
    )
    client.close()


if __name__ == "__main__":
    main()
