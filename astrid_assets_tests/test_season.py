"""The loop closes: what is better reaches the next night by itself, what is not never does.

Once on the embedded default, once on PostgreSQL, an S3 server and an MLflow server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
import pytest

from astrid_assets.steps.learning.golden import GOLDEN
from astrid_assets.steps.validated_labels.alerts import import_alerts
from astrid_assets.storage.database.tables.learning import Model
from astrid_assets.storage.queries import models, retraining
from astrid_assets.surveys.profile import SurveyProfile
from astrid_assets.surveys.profile_sources import SimulatedSource
from astrid_assets.surveys.sources.simulated import truth
from astrid_assets_tests.season.alerts import MadeAlerts, make_alerts
from astrid_assets_tests.season.refused import trained_on_shuffled_labels, with_nan_weights
from astrid_assets_tests.season.world import (
    SeasonWorld,
    assert_sentence,
    embedded_world,
    served_world,
)
from astrid_assets_tests.services import (
    S3Server,
    postgres_server,
    postgres_url,
    s3_endpoint,
    s3_server,
)
from astrid_assets_tests.small_survey import NAME, NIGHTS, add_survey, profile_toml
from astrid_assets_tests.tracking.mlflow_service import mlflow_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["mlflow_url", "postgres_server", "postgres_url", "s3_endpoint", "s3_server"]

pytestmark = pytest.mark.slow

FRAMES_TOML = profile_toml(nights=6, side=256)
ALERTS_TOML = 'name = "made-up"\n\n[source]\nkind = "alerts"\n'
FIRST_ALERTS, MORE_ALERTS = 300, 60
VISIBLE_SNR = 3.0

SMALL: Mapping[str, object] = {
    "epochs": 6,
    "cutouts_per_epoch": 320,
    "base_filters": 4,
    "depth": 2,
    "size": 32,
    "batch_size": 16,
    "learning_rate": 1e-2,
}
HALF_BLIND: Mapping[str, object] = {**SMALL, "channels": ["score"]}
"""Sees no reference: a badly subtracted star is real to it."""

LIMITS: Mapping[str, object] = {
    # The first model is meant to be a poor one; it must rank better than S/N all the same.
    "min_roc_auc": 0.55,
    "max_fpr_at_95_completeness": 1.0,
    "min_completeness_at_1_fpr": 0.0,
    "must_be_calibrated": False,
    # Other tests run on the same cores.
    "max_ms_per_cutout": 1000.0,
}


@pytest.fixture(
    params=["embedded", pytest.param("served", marks=[pytest.mark.soak, pytest.mark.postgres])]
)
def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SeasonWorld]:
    """A deployment that knows two surveys, of which nothing has arrived."""
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    monkeypatch.setenv("ASTRID_RETRAINING_COOL_DOWN", "0")
    if request.param == "embedded":
        made = embedded_world(tmp_path)
    else:
        url, s3, mlflow = map(request.getfixturevalue, ("postgres_url", "s3_server", "mlflow_url"))
        assert isinstance(s3, S3Server)
        made = served_world(url, s3, mlflow)
    with made as season:
        season.catalogue.migrate()
        for toml in (FRAMES_TOML, ALERTS_TOML):
            profile = add_survey(season.catalogue, toml)
            season.instance.add_dynamic_partitions("survey", [profile.name])
        yield season
        season.catalogue.close()


def test_a_season_from_the_first_night_to_a_rollback(world: SeasonWorld, tmp_path: Path) -> None:
    world.nights_arrive(NAME, NIGHTS[:4])
    alerts = arrived_alerts(world, tmp_path / "first.parquet", FIRST_ALERTS, seed=1)
    assert "200 needed" in waits(world)

    # The first model comes into force by itself, and scores the next night.
    label(world, alerts, NIGHTS[:4])
    first = retrain(world, HALF_BLIND)
    assert "better" in decided(world, "deploy", first)
    assert scored_by(world, NIGHTS[4]) == first.id
    assert waits(world).startswith("0 new labels")

    # Another attempt at the same is no better, and stays out.
    world.run("learning_job", config_of({**HALF_BLIND, "attempt": 2}))
    equal = world.newest_model()
    assert equal.onnx_sha256 != first.onnx_sha256
    reason = decided(world, "keep", equal)
    assert reason.startswith(("equal", "worse within noise")), reason
    assert world.the_champion().id == first.id

    # New labels start a training whose model is better: it scores the next night.
    more = arrived_alerts(world, tmp_path / "more.parquet", MORE_ALERTS, seed=2)
    label(world, more, NIGHTS[4:5])
    better = retrain(world, SMALL)
    assert decided(world, "deploy", better).startswith("better")
    assert world.the_champion().id == better.id
    assert scored_by(world, NIGHTS[5]) == better.id

    refuse_what_is_worse(world, better, tmp_path / "work")
    roll_back_what_is_another_file(world, equal, better)
    again = world.the_champion()
    assert (again.id, again.onnx_sha256) == (better.id, better.onnx_sha256)
    with world.catalogue.read() as session:
        rows = models.deployments(session)
        ticks = retraining.decisions(session, 100)
    actions = ["deploy", "keep", "deploy", "keep", "keep", "deploy", "rollback"]
    assert [row.action for row in rows] == actions
    for reason in (*(row.reason for row in rows), *(tick.reason for tick in ticks)):
        assert_sentence(reason)


def refuse_what_is_worse(world: SeasonWorld, champion: Model, work: Path) -> None:
    """Ask for models that learned nonsense, and that compute it: the champion stays."""
    shuffled = trained_on_shuffled_labels(world, SMALL, work)
    deploy(world, model=shuffled.id)
    assert decided(world, "keep", shuffled).startswith("worse")
    broken = with_nan_weights(world, champion)
    deploy(world, model=broken.id)
    assert "not finite" in decided(world, "keep", broken)
    assert world.the_champion().id == champion.id


def roll_back_what_is_another_file(world: SeasonWorld, old: Model, champion: Model) -> None:
    """Force a model whose stored scores are those of another network: it goes back at once."""
    with world.catalogue.begin() as session:
        row = session.get_one(Model, old.id)
        golden = row.metrics[GOLDEN]
        other = [1 - score for score in golden["scores"]]
        row.metrics = row.metrics | {GOLDEN: golden | {"scores": other}}
    deploy(world, model=old.id, force_because="a person insisted")
    reason = decided(world, "rollback", champion)
    assert reason.startswith("failed once it was in force: ")
    assert "not the network that was trained" in reason


def arrived_alerts(world: SeasonWorld, path: Path, count: int, *, seed: int) -> MadeAlerts:
    """Import alerts that nobody has voted on, as `astrid alerts import` does."""
    made = make_alerts(path, count, first_night=10 * seed, seed=seed)
    profile = SurveyProfile.from_toml(ALERTS_TOML)
    report = import_alerts(world.catalogue, world.store, profile, path)
    assert (report.detections, report.labels_added) == (count, 0)
    return made


def label(world: SeasonWorld, alerts: MadeAlerts, nights: list[str]) -> None:
    """Label alerts, and nights of the simulated survey, by the truth."""
    assert world.label("made-up", alerts.nights, alerts.real_deg) == len(alerts.real_deg)
    source = SurveyProfile.from_toml(FRAMES_TOML).source
    assert isinstance(source, SimulatedSource)
    visible = [
        (one.ra_deg, one.dec_deg)
        for night in nights
        for one in truth(source, night)
        if abs(one.expected_snr) >= VISIBLE_SNR
    ]
    assert world.label(NAME, nights, np.array(visible)) > 0


def waits(world: SeasonWorld) -> str:
    """Return why the sensor asks for no training."""
    reason = world.tick()
    assert isinstance(reason, str), reason
    assert_sentence(reason)
    return reason


def retrain(world: SeasonWorld, training: Mapping[str, object]) -> Model:
    """Let the sensor ask for a training, and run it; returns the new model."""
    request = world.tick()
    assert isinstance(request, dg.RunRequest), request
    assert_sentence(request.tags["astrid/reason"])
    tags = {**request.tags, "dagster/run_key": str(request.run_key)}
    world.run(request.job_name or "learning_job", config_of(training), tags=tags)
    return world.newest_model()


def config_of(training: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    """Return what the launchpad would hold for a small training."""
    return {
        "training_dataset": {"test_fraction": 0.4},
        "trained_unet": {**training, "min_roc_auc": 0.5},
        "deployed_model": LIMITS,
    }


def deploy(world: SeasonWorld, **config: str) -> None:
    """Ask for the deployment of a model."""
    world.run("deployment_job", {"deployed_model": {**LIMITS, **config}})


def decided(world: SeasonWorld, action: str, model: Model) -> str:
    """Check what the newest decision did with a model; returns its reason."""
    with world.catalogue.read() as session:
        decision = models.last_deployment(session)
    assert decision is not None
    assert (decision.action, decision.model_id) == (action, model.id), decision.reason
    # Whatever was decided, one model is in force, and it scores.
    world.the_champion()
    return decision.reason


def scored_by(world: SeasonWorld, night: str) -> str:
    """Let a night arrive; returns the model that scored all of its detections."""
    world.nights_arrive(NAME, [night])
    [model_id] = {row.model_id for row in world.detections(NAME, [night])}
    assert model_id is not None
    return model_id
