"""Enough new labels start one training, and only one."""

from collections.abc import Iterator

import dagster as dg
import pytest

from astrid_assets.jobs import learning_job
from astrid_assets.sensors.retraining import (
    MIN_FIRST_LABELS,
    MIN_NEW_LABELS,
    retraining,
    should_retrain,
)
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets_tests.sensors.labelled import add_dataset, add_labels


@pytest.fixture
def context(
    catalogue: Catalogue, instance: dg.DagsterInstance
) -> Iterator[dg.SensorEvaluationContext]:
    with dg.build_sensor_context(instance=instance, resources={"catalogue": catalogue}) as made:
        yield made


@pytest.mark.parametrize(
    ("new_labels", "has_dataset", "is_training", "retrain"),
    [
        (0, False, False, False),
        (MIN_FIRST_LABELS - 1, False, False, False),
        (MIN_FIRST_LABELS, False, False, True),
        (MIN_NEW_LABELS - 1, True, False, False),
        (MIN_NEW_LABELS, True, False, True),
        (10 * MIN_NEW_LABELS, True, True, False),
    ],
)
def test_the_number_of_new_labels_decides(
    *, new_labels: int, has_dataset: bool, is_training: bool, retrain: bool
) -> None:
    decision = should_retrain(
        new_labels=new_labels, has_dataset=has_dataset, is_training=is_training
    )
    assert decision.retrain is retrain
    assert str(new_labels) in decision.reason


def test_no_labels_is_a_skip_that_says_how_many_are_needed(
    context: dg.SensorEvaluationContext,
) -> None:
    data = retraining.evaluate_tick(context)
    assert not data.run_requests
    assert f"{MIN_FIRST_LABELS} needed" in (data.skip_message or "")


@pytest.mark.slow
def test_labels_older_than_the_dataset_do_not_count(
    catalogue: Catalogue, context: dg.SensorEvaluationContext
) -> None:
    last = add_labels(catalogue, MIN_FIRST_LABELS + 50)
    assert retraining.evaluate_tick(context).run_requests
    add_dataset(catalogue, last_sequence=last)
    assert not retraining.evaluate_tick(context).run_requests
    add_labels(catalogue, MIN_NEW_LABELS - 1)
    assert not retraining.evaluate_tick(context).run_requests
    add_labels(catalogue, 1)
    [request] = retraining.evaluate_tick(context).run_requests or []
    assert f"{MIN_NEW_LABELS} new labels" in request.tags["astrid/reason"]


@pytest.mark.slow
def test_undecided_labels_do_not_count(
    catalogue: Catalogue, context: dg.SensorEvaluationContext
) -> None:
    add_labels(catalogue, MIN_FIRST_LABELS, label="disputed")
    assert not retraining.evaluate_tick(context).run_requests


@pytest.mark.slow
def test_the_run_key_changes_with_the_next_event_only(
    catalogue: Catalogue, context: dg.SensorEvaluationContext
) -> None:
    add_labels(catalogue, MIN_FIRST_LABELS)
    [first] = retraining.evaluate_tick(context).run_requests or []
    [again] = retraining.evaluate_tick(context).run_requests or []
    assert first.run_key == again.run_key
    add_labels(catalogue, 1)
    [later] = retraining.evaluate_tick(context).run_requests or []
    assert later.run_key != first.run_key


@pytest.mark.slow
def test_a_training_under_way_is_awaited(
    catalogue: Catalogue,
    instance: dg.DagsterInstance,
    context: dg.SensorEvaluationContext,
) -> None:
    add_labels(catalogue, MIN_FIRST_LABELS)
    instance.add_run(dg.DagsterRun(job_name=learning_job.name, status=dg.DagsterRunStatus.STARTED))
    data = retraining.evaluate_tick(context)
    assert not data.run_requests
    assert "under way" in (data.skip_message or "")
