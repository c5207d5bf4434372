"""What consensus makes of reviewers who err: scripts label a simulated survey.

Three reviewers label every detection of a simulated survey through the REST API, two
of three deciding, each with a share of wrong answers. The truth of the simulation
then tells how often each of them, and their consensus, was wrong.

    .venv/bin/python -m benchmarks.reviewers
    .venv/bin/python -m benchmarks.reviewers --wrong 0.05 0.05 0.2 --keep
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from fastapi.testclient import TestClient
from sqlalchemy import select

from astrid_assets.science.labelling.dawid_skene import dawid_skene
from astrid_assets.storage.database.tables.review import VoteRow
from astrid_assets.storage.review import reviewer_stats
from astrid_assets.web.app import create_app
from astrid_assets.web.settings import WebSettings
from astrid_assets_tests.web.scripted import known_truth, label_all, wrong_shares
from benchmarks.figures import Figures, parser_of

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
    """Make the survey, let the scripts label it, count who was wrong how often."""
    parser = parser_of("reviewers", __doc__)
    parser.add_argument("--wrong", type=float, nargs="+", default=[0.05] * 3)
    figures = Figures(parser)
    with tempfile.TemporaryDirectory(prefix="astrid-reviewers-") as folder:
        home = Path(folder)
        started = time.perf_counter()
        make_survey(home)
        seconds = time.perf_counter() - started
        figures.add("survey", "raw frames to detections", "time", seconds, "s")
        app = create_app(
            WebSettings(
                database_url=f"sqlite:///{home / 'catalogue.db'}",
                store_url=str(home / "store"),
            )
        )
        catalogue: Catalogue = app.state.astrid.catalogue
        report(app, catalogue, figures)
    figures.finish()


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


def report(app: FastAPI, catalogue: Catalogue, figures: Figures) -> None:
    """Label everything and add the figures."""
    client = TestClient(app)
    truth = known_truth(catalogue)
    names = {f"reviewer {n + 1}": share for n, share in enumerate(figures.options.wrong)}
    started = time.perf_counter()
    votes = label_all(client, truth, names, np.random.default_rng(SEED))
    seconds = time.perf_counter() - started
    people, decided, n_labels = wrong_shares(catalogue, truth)
    with catalogue.begin() as session:
        agreement = reviewer_stats.agreement(session, NAME)
        votes_cast = list(session.scalars(select(VoteRow).where(VoteRow.source == "person")))
    ids, item = np.unique([vote.detection_id for vote in votes_cast], return_inverse=True)
    _, person = np.unique([vote.reviewer for vote in votes_cast], return_inverse=True)
    said = np.array([int(vote.label == "real") for vote in votes_cast])
    learned = dawid_skene(item, person, said)
    labels = "labels"
    figures.add(labels, "detections", "number", len(truth))
    figures.add(labels, "votes through the API", "number", votes)
    figures.add(labels, "votes through the API", "time each", 1000 * seconds / votes, "ms")
    for name, share in people.items():
        figures.add(labels, name, "wrong", 100 * share, "%")
    figures.add(labels, "consensus", "number", n_labels)
    figures.add(labels, "consensus", "wrong", 100 * decided, "%")
    if agreement.fleiss is not None:
        figures.add(labels, "Fleiss' kappa", "value", agreement.fleiss)
    if agreement.noise is not None:
        row = "single votes, from their disagreement"
        figures.add(labels, row, "wrong, estimated", 100 * agreement.noise, "%")
    best = learned.posterior.argmax(axis=1)
    is_real = np.array([truth[id_] == "real" for id_ in ids])
    row = "Dawid-Skene, without the truth"
    figures.add(labels, row, "wrong", 100 * (best != is_real).mean(), "%")
    figures.add(labels, row, "wrong, estimated", 100 * learned.noise, "%")
    for name, value in zip(sorted(people), learned.accuracy, strict=True):
        figures.add(labels, name, "wrong, estimated", 100 * (1 - value), "%")
    client.close()


if __name__ == "__main__":
    main()
