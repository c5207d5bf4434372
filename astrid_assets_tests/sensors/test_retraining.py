"""Enough new labels start one training, and only one; every tick says why."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from sqlalchemy import update

from astrid_assets.jobs import learning_job
from astrid_assets.sensors.retraining import (
    SETTING_OF,
    retraining,
    settings_of_the_environment,
)
from astrid_assets.steps.learning.retraining.outcomes import record_shortage
from astrid_assets.steps.learning.retraining.settings import RetrainingSettings
from astrid_assets.steps.learning.settings import CollectionSettings, TooFewLabels
from astrid_assets.storage.database.catalogue import Catalogue, now
from astrid_assets.storage.database.tables.learning import TrainingRun
from astrid_assets.storage.queries.retraining import decisions
from astrid_assets_tests.sensors.labelled import add_dataset, add_labels, deploy

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULTS = RetrainingSettings()
FIRST, NEXT = DEFAULTS.min_first_labels, DEFAULTS.min_labels


@pytest.fixture
def context(
    catalogue: Catalogue, instance: dg.DagsterInstance
) -> Iterator[dg.SensorEvaluationContext]:
    with dg.build_sensor_context(instance=instance, resources={"catalogue": catalogue}) as made:
        yield made


def test_a_variable_sets_its_setting_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for field, setting in SETTING_OF.items():
        with monkeypatch.context() as environment:
            environment.setenv(f"ASTRID_{field.upper()}", "1")
            assert settings_of_the_environment() == DEFAULTS.model_copy(update={setting: 1})


def key_of(context: dg.SensorEvaluationContext) -> str | None:
    """Return the key of the run that a tick asks for; None where it asks for none."""
    data = retraining.evaluate_tick(context)
    # Whatever a tick does, it says why.
    assert bool(data.skip_message) != bool(data.run_requests)
    return data.run_requests[0].run_key if data.run_requests else None


def trained(catalogue: Catalogue, last_sequence: int, hours_ago: float) -> None:
    """Train on a dataset that has seen the events up to one."""
    deploy(catalogue, add_dataset(catalogue, last_sequence))
    with catalogue.begin() as session:
        session.execute(
            update(TrainingRun).values(started_at=now() - dt.timedelta(hours=hours_ago))
        )


def test_no_labels_is_a_skip_that_says_how_many_are_needed(
    context: dg.SensorEvaluationContext, catalogue: Catalogue
) -> None:
    reasons = {retraining.evaluate_tick(context).skip_message or "" for _ in range(3)}
    [reason] = reasons
    assert f"{FIRST} needed" in reason
    with catalogue.read() as session:
        [kept] = decisions(session, 10)
    assert (kept.action, kept.reason, kept.n_ticks) == ("wait", reason, 3)
    assert kept.first_at < kept.last_at


@pytest.mark.slow
def test_labels_count_from_the_newest_dataset_that_was_trained_on(
    catalogue: Catalogue, context: dg.SensorEvaluationContext
) -> None:
    last = add_labels(catalogue, FIRST)
    assert key_of(context)
    # A dataset alone teaches no model.
    add_dataset(catalogue, last_sequence=last)
    assert key_of(context)
    trained(catalogue, last, hours_ago=30)
    assert key_of(context) is None
    add_labels(catalogue, NEXT - 1)
    assert key_of(context) is None
    add_labels(catalogue, NEXT, label="disputed")
    assert key_of(context) is None
    add_labels(catalogue, 1, "bogus")
    [request] = retraining.evaluate_tick(context).run_requests or []
    assert f"{NEXT} new labels ({NEXT - 1} real, 1 bogus)" in request.tags["astrid/reason"]


@pytest.mark.slow
def test_one_run_for_one_state_of_the_labels_whatever_becomes_of_it(
    catalogue: Catalogue, instance: dg.DagsterInstance, context: dg.SensorEvaluationContext
) -> None:
    add_labels(catalogue, FIRST)
    first = key_of(context)
    assert first
    assert key_of(context) == first
    run = instance.create_run_for_job(learning_job_of(), tags={"dagster/run_key": first})
    data = retraining.evaluate_tick(context)
    assert "a training is under way" in (data.skip_message or "")
    instance.report_run_failed(run)
    data = retraining.evaluate_tick(context)
    assert "hours ago" in (data.skip_message or "")


@pytest.mark.slow
def test_a_collection_that_lacked_real_labels_waits_for_these(
    catalogue: Catalogue, instance: dg.DagsterInstance, context: dg.SensorEvaluationContext
) -> None:
    last = add_labels(catalogue, FIRST, "bogus")
    assert key_of(context)
    run = instance.create_run_for_job(learning_job_of())
    record_shortage(
        catalogue, CollectionSettings(), last, TooFewLabels("0 real", {"real": 5, "any": 0})
    )
    instance.report_run_failed(run)
    add_labels(catalogue, FIRST, "bogus")
    data = retraining.evaluate_tick(context)
    assert "5 more real must come first (0 real)" in (data.skip_message or "")
    add_labels(catalogue, 4)
    assert key_of(context) is None
    add_labels(catalogue, 1)
    # It is not the clock that it waits for.
    assert key_of(context)


@pytest.mark.slow
def test_a_dry_run_says_what_it_would_do(
    catalogue: Catalogue, context: dg.SensorEvaluationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRID_RETRAINING_DRY_RUN", "1")
    add_labels(catalogue, FIRST)
    data = retraining.evaluate_tick(context)
    assert (data.skip_message or "").startswith("dry run: a training would start")
    with catalogue.read() as session:
        assert decisions(session, 1)[0].action == "would train"


@pytest.mark.slow
def test_the_environment_sets_the_limits(
    catalogue: Catalogue, context: dg.SensorEvaluationContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_labels(catalogue, 3)
    assert key_of(context) is None
    monkeypatch.setenv("ASTRID_RETRAINING_FIRST_LABELS", "3")
    assert key_of(context)


def learning_job_of() -> dg.JobDefinition:
    """Return a job of the name that the sensor asks for."""

    @dg.op
    def nothing() -> None: ...

    @dg.job(name=learning_job.name)
    def job() -> None:
        nothing()

    return job
