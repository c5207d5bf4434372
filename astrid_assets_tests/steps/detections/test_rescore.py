"""A new champion scores stored cutouts as a search of the night would, and writes only scores."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from sqlalchemy import select, update

from astrid_assets.compute import Compute
from astrid_assets.learning.calibration import ScoreCalibration
from astrid_assets.learning.export import to_onnx
from astrid_assets.learning.settings import NetworkSettings
from astrid_assets.learning.unet import Ensemble, UNet
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.simulation.pair import simulate_pair
from astrid_assets.steps.detections.detect import detect_nights
from astrid_assets.steps.learning.deployment.in_force import roll_back
from astrid_assets.steps.nights import NightReport, Tools
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.database.tables.detections import (
    Detection,
    DetectionScore,
    DifferenceRun,
)
from astrid_assets.storage.database.tables.frames import PreprocessRun
from astrid_assets.storage.database.tables.learning import Deployment, Model
from astrid_assets.storage.fits.differences import difference_to_fits
from astrid_assets.storage.fits.frames import frame_to_fits
from astrid_assets.storage.objects.object_store import open_object_store
from astrid_assets.storage.objects.store_errors import ObjectMissing
from astrid_assets.storage.queries import models
from astrid_assets.storage.review.events import Statement, record_statement
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.services import postgres_server, postgres_url
from astrid_assets_tests.small_survey import NAME, add_survey, objects_of, profile_toml, rows_of
from astrid_assets_tests.steps.learning.test_deploy import Aliases
from astrid_assets_tests.storage.world import WHEN, World

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.surveys.profile import SurveyProfile

__all__ = ["postgres_server", "postgres_url"]

pytestmark = pytest.mark.slow

NIGHT = "2025-03-04"
TOML = profile_toml(nights=4, side=256) + "[labels]\nundecided_odds = 8\n"
SCORES = {"score", "score_kind", "model_id"}
BAND = 8
"""Odds within this factor of the models' threshold of 1/2 are not decided."""
WRITTEN = {
    "detections",
    "detection_scores",
    "night_drifts",
    "gate_verdicts",
    "night_summaries",
    "models",
    "deployments",
}


def deploy(tools: Tools, version: int, scope: str = "") -> str:
    """Put a network of other weights in force; returns the model's id."""
    torch.manual_seed(version)
    shape = NetworkSettings(base_filters=2, depth=2)
    content = to_onnx(Ensemble([UNet(shape)], shape), ScoreCalibration(1.0, 0.0, 0.5))
    sha256 = hashlib.sha256(content).hexdigest()
    model = {
        "id": ids.model_id(sha256),
        "name": "astrid-unet",
        "version": str(version),
        "onnx_sha256": sha256,
        "onnx_key": tools.store.put("models/m", content, ".onnx"),
        "metrics": {"surveys": {NAME: {"own": {"temperature": 2.0, "offset": version}}}},
        "threshold": 0.5,
        "created_at": WHEN,
    }
    with tools.catalogue.begin() as session:
        before = models.champion(session, scope)
        session.add(Model(**model))
        session.flush()
        models.record_deployment(
            session,
            Deployment(
                action="deploy",
                model_id=model["id"],
                previous_model_id=before.id if before else None,
                reason="test",
                metrics={},
                created_at=WHEN,
                scope=scope,
                follows=models.number_to_follow(session, scope),
            ),
        )
    return model["id"]


def world(folder: Path, catalogue: Catalogue) -> tuple[Tools, SurveyProfile]:
    """Return a night that was searched before there was a model, with one vote."""
    tools = Tools(catalogue, open_object_store(str(folder / "store")), Compute("serial", 1))
    pair = simulate_pair(4, (256, 256), n_transients=12, snr_range=(10.0, 50.0))
    difference = subtract(pair.science, pair.reference, DifferencingSettings())
    with catalogue.begin() as session:
        rows = World(session, NAME)
        frame_key = tools.store.put("processed/f", frame_to_fits(pair.science, None), ".fits")
        key = tools.store.put("differences/d", difference_to_fits(difference), ".fits")
        for number in range(2):
            frame = rows.processed(rows.observation(NIGHT, number))
            rows.difference(frame)
        session.execute(update(PreprocessRun).values(frame_key=frame_key))
        session.execute(update(DifferenceRun).values(difference_key=key))
    profile = add_survey(catalogue, TOML)
    assert run(tools, profile).summary["score_kind"] == "snr_ranking"
    with catalogue.begin() as session:
        one = session.scalars(select(Detection.id).order_by(Detection.id)).first()
        said = Statement(event_key="e", detection_id=str(one), reviewer="ann", label="real")
        record_statement(session, said, WHEN)
    return tools, profile


def run(tools: Tools, profile: SurveyProfile, *, force: bool = False) -> NightReport:
    """Detect on the night."""
    [report] = detect_nights(tools, profile, [NIGHT], force=force)
    return report


def without_scores(catalogue: Catalogue) -> list[dict[str, object]]:
    """Return the detections' rows, all but what the model says."""
    columns = [c for c in Detection.__table__.columns if c.name not in SCORES]
    with catalogue.read() as session:
        query = select(*columns).order_by(Detection.id)
        return [dict(row._mapping) for row in session.execute(query)]


def scores_by(catalogue: Catalogue, model_id: str) -> dict[str, float]:
    """Return what a model said of each detection."""
    with catalogue.read() as session:
        rows = session.scalars(select(DetectionScore).where(DetectionScore.model_id == model_id))
        return {row.detection_id: row.score for row in rows}


def current(catalogue: Catalogue) -> dict[str, float]:
    """Return the score in force of each detection."""
    with catalogue.read() as session:
        return {row.id: row.score for row in session.scalars(select(Detection))}


def hide_images(tools: Tools) -> None:
    """Delete what a search reads."""
    with tools.catalogue.read() as session:
        for run in session.scalars(select(DifferenceRun)):
            if run.difference_key and tools.store.exists(run.difference_key):
                tools.store.delete(run.difference_key)


def rescored_equals_searched(tools: Tools, profile: SurveyProfile) -> tuple[str, str]:
    """Two champions in turn score the night, without any image; then it is searched."""
    catalogue = tools.catalogue
    rows, detections, objects = (
        rows_of(catalogue),
        without_scores(catalogue),
        objects_of(tools.store),
    )
    images = {key: tools.store.get(key) for key in objects if key.startswith("differences/")}
    assert images
    hide_images(tools)
    first = deploy(tools, 1)
    report = run(tools, profile)
    assert report.summary["score_kind"] == "model"
    odds = [score / (1 - score) for score in scores_by(catalogue, first).values()]
    counts = {"called_real": sum(o >= BAND for o in odds)}
    counts["not_decided"] = sum(1 / BAND <= o < BAND for o in odds)
    assert counts.items() <= report.summary.items()
    assert counts["not_decided"] > 0
    share = counts["not_decided"] / len(odds)
    assert report.summary["not_decided_share"] == pytest.approx(share, abs=1e-4)
    said = scores_by(catalogue, first)
    assert said == current(catalogue)
    assert len(said) == report.summary["detections"]
    assert len(said) > 5

    second = deploy(tools, 2)
    assert not run(tools, profile).unchanged
    assert scores_by(catalogue, first) == said
    now_said = scores_by(catalogue, second)
    assert now_said == current(catalogue)
    assert all(abs(now_said[id_] - score) > 1e-4 for id_, score in said.items())

    after = rows_of(catalogue)
    assert {name for name in after if after[name] != rows[name]} <= WRITTEN
    assert without_scores(catalogue) == detections
    assert {key for key in objects_of(tools.store) - objects if "model" not in key} == set()
    assert run(tools, profile).unchanged
    assert rows_of(catalogue) == after

    for key, content in images.items():
        stem, suffix = key.split(".")[0], "." + key.rsplit(".", 1)[1]
        assert tools.store.put(stem, content, suffix) == key
    assert not run(tools, profile, force=True).unchanged
    assert rows_of(catalogue) == after
    return first, second


def test_a_new_champion_scores_what_is_kept_as_a_search_would_and_changes_nothing_else(tmp_path):
    tools, profile = world(tmp_path, new_catalogue(tmp_path))
    rescored_equals_searched(tools, profile)

    # Back to the first model: rescored again, to the scores it had.
    with tools.catalogue.begin() as session:
        one, two = (models.model_named(session, version) for version in "12")
        assert one is not None
        assert two is not None
        models.record_deployment(
            session,
            Deployment(
                action="rollback",
                model_id=one.id,
                previous_model_id=two.id,
                reason="test",
                metrics={},
                created_at=WHEN,
                follows=models.number_to_follow(session),
            ),
        )
    before = scores_by(tools.catalogue, one.id)
    hide_images(tools)
    run(tools, profile)
    assert current(tools.catalogue) == before == scores_by(tools.catalogue, one.id)

    # A champion of the survey's own scores it, until it goes back to the common one.
    own = deploy(tools, 4, NAME)
    run(tools, profile)
    assert current(tools.catalogue) == scores_by(tools.catalogue, own) != before
    roll_back(tools, Aliases(), "no better", to="common", scope=NAME)
    assert not run(tools, profile).unchanged
    assert current(tools.catalogue) == before

    # Other settings beside the other model: the night is searched, for which it needs the images.
    changed = add_survey(tools.catalogue, TOML + "[detection]\nthreshold_sigma = 5.5\n")
    deploy(tools, 3)
    with pytest.raises(ObjectMissing, match="differences/"):
        run(tools, changed)


@pytest.mark.postgres
def test_the_same_with_postgresql(tmp_path: Path, postgres_url: str) -> None:
    catalogue = Catalogue(postgres_url)
    catalogue.migrate()
    rescored_equals_searched(*world(tmp_path, catalogue))
    assert np.isfinite(list(current(catalogue).values())).all()
