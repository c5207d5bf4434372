"""The champion goes only when it clearly got worse on labels it never saw."""

from collections.abc import Iterator

import dagster as dg
import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from astrid_assets.sensors.deployed_model_health import (
    MIN_PER_CLASS,
    deployed_model_health,
    judge_champion,
    measure_auc,
)
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets_tests.sensors.labelled import add_dataset, add_labels, deploy

N = 80


@pytest.fixture
def context(
    catalogue: Catalogue, instance: dg.DagsterInstance
) -> Iterator[dg.SensorEvaluationContext]:
    with dg.build_sensor_context(instance=instance, resources={"catalogue": catalogue}) as made:
        yield made


def test_the_auc_is_that_of_the_rank_sum_test(rng: np.random.Generator) -> None:
    real = np.round(rng.normal(0.6, 0.2, 57), 2)  # rounded: there are ties
    bogus = np.round(rng.normal(0.5, 0.2, 43), 2)
    wins = mannwhitneyu(real, bogus).statistic
    ranking = measure_auc(list(real), list(bogus))
    assert ranking.auc == pytest.approx(wins / (57 * 43))


def test_the_upper_end_covers_the_truth_as_often_as_it_says(
    rng: np.random.Generator,
) -> None:
    # Two normal distributions one sigma apart: AUC = Phi(1 / sqrt 2).
    truth = 0.7602
    covered = [
        measure_auc(list(rng.normal(1, 1, 60)), list(rng.normal(0, 1, 60))).upper >= truth
        for _ in range(400)
    ]
    assert 0.92 <= np.mean(covered) <= 0.985


def judge(real: np.ndarray, bogus: np.ndarray, *, has_previous: bool = True) -> tuple[bool, str]:
    health = judge_champion(
        list(real),
        list(bogus),
        test_auc=0.98,
        threshold=0.5,
        has_previous=has_previous,
    )
    return health.roll_back, health.reason


def test_a_model_that_still_separates_stays(rng: np.random.Generator) -> None:
    roll_back, reason = judge(rng.normal(0.9, 0.05, N), rng.normal(0.1, 0.05, N))
    assert not roll_back
    assert "ROC AUC 1.000" in reason
    assert "0 of the bogus were called real" in reason


def test_a_model_that_guesses_goes(rng: np.random.Generator) -> None:
    roll_back, reason = judge(rng.random(N), rng.random(N))
    assert roll_back
    assert "clearly worse" in reason


def test_a_model_that_guesses_stays_when_there_is_none_before_it(
    rng: np.random.Generator,
) -> None:
    roll_back, reason = judge(rng.random(N), rng.random(N), has_previous=False)
    assert not roll_back
    assert "there is none before it" in reason


@pytest.mark.parametrize("few", ["real", "bogus"])
def test_few_labels_of_one_class_judge_nothing(rng: np.random.Generator, few: str) -> None:
    counts = {"real": N, "bogus": N} | {few: MIN_PER_CLASS - 1}
    roll_back, reason = judge(rng.random(counts["real"]), rng.random(counts["bogus"]))
    assert not roll_back
    assert f"{MIN_PER_CLASS} of each" in reason


def test_a_slightly_worse_night_is_no_reason(rng: np.random.Generator) -> None:
    # AUC about 0.95 on 40 and 40: within what nights differ by.
    roll_back, _ = judge(rng.normal(0.7, 0.15, 40), rng.normal(0.36, 0.15, 40))
    assert not roll_back


def test_no_model_in_force_is_a_skip(context: dg.SensorEvaluationContext) -> None:
    data = deployed_model_health.evaluate_tick(context)
    assert data.skip_message == "no model is in force"


@pytest.mark.slow
def test_a_bad_champion_is_rolled_back_once(
    catalogue: Catalogue,
    context: dg.SensorEvaluationContext,
    rng: np.random.Generator,
) -> None:
    deploy(catalogue, add_dataset(catalogue, 0))
    champion = deploy(catalogue, add_dataset(catalogue, 0))
    for label in ("real", "bogus"):
        add_labels(catalogue, N, label, scores=list(rng.random(N)), model_id=champion)
    [request] = deployed_model_health.evaluate_tick(context).run_requests or []
    [again] = deployed_model_health.evaluate_tick(context).run_requests or []
    assert request.run_key == again.run_key
    config = request.run_config["ops"]["rollback"]["config"]
    assert "clearly worse" in config["because"]


@pytest.mark.slow
def test_labels_that_the_champion_was_trained_on_are_left_out(
    catalogue: Catalogue,
    context: dg.SensorEvaluationContext,
    rng: np.random.Generator,
) -> None:
    deploy(catalogue, add_dataset(catalogue, 0))
    champion = deploy(catalogue, add_dataset(catalogue, 10**6))
    for label in ("real", "bogus"):
        add_labels(catalogue, N, label, scores=list(rng.random(N)), model_id=champion)
    data = deployed_model_health.evaluate_tick(context)
    assert not data.run_requests
    assert "0 real and 0 bogus" in (data.skip_message or "")


@pytest.mark.slow
def test_scores_of_another_model_are_left_out(
    catalogue: Catalogue,
    context: dg.SensorEvaluationContext,
    rng: np.random.Generator,
) -> None:
    first = deploy(catalogue, add_dataset(catalogue, 0))
    deploy(catalogue, add_dataset(catalogue, 0))
    for label in ("real", "bogus"):
        add_labels(catalogue, N, label, scores=list(rng.random(N)), model_id=first)
    data = deployed_model_health.evaluate_tick(context)
    assert not data.run_requests
    assert "0 real and 0 bogus" in (data.skip_message or "")
