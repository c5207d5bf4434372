"""The champion's health: only random items judge, and each event asks for its own remedy."""

from collections.abc import Iterator
from dataclasses import replace

import dagster as dg
import numpy as np
import pytest

from astrid_assets.jobs import rollback_job
from astrid_assets.sensors.alerts import alerts_since
from astrid_assets.sensors.deployed_model_health import deployed_model_health
from astrid_assets.steps.learning.retraining.decision import should_retrain
from astrid_assets.steps.learning.retraining.facts import facts_of
from astrid_assets.steps.learning.retraining.settings import RetrainingSettings
from astrid_assets.storage.database.catalogue import Catalogue, now
from astrid_assets.storage.queries import models
from astrid_assets.storage.review.labels import NewLabels
from astrid_assets_tests.sensors.labelled import add_dataset, add_labels, deploy

N = 60

pytestmark = pytest.mark.slow


@pytest.fixture
def context(
    catalogue: Catalogue, instance: dg.DagsterInstance
) -> Iterator[dg.SensorEvaluationContext]:
    with dg.build_sensor_context(instance=instance, resources={"catalogue": catalogue}) as made:
        yield made


def tick(context: dg.SensorEvaluationContext) -> tuple[list[dg.RunRequest], str]:
    data = deployed_model_health.evaluate_tick(context)
    return list(data.run_requests or []), data.skip_message or ""


def add_random(catalogue: Catalogue, scores: dict[str, list[np.ndarray]], drawn_as="random"):
    """Label N real and N bogus items; per model its scores of the real, and of the bogus."""
    for at, label in enumerate(("real", "bogus")):
        own = {model: list(pair[at]) for model, pair in scores.items()}
        add_labels(catalogue, N, label, model_scores=own, drawn_as=drawn_as)


def good(rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.normal(0.8, 0.1, N), rng.normal(0.2, 0.1, N)]


def guesses(rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.random(N), rng.random(N)]


def test_no_model_in_force_is_a_skip(context):
    assert tick(context) == ([], "no model is in force")


def noted(catalogue: Catalogue) -> str | None:
    with catalogue.read() as session:
        return models.noted_fall(session)


def test_a_champion_that_fell_stays_and_the_others_hear_of_it(catalogue, context, rng):
    champion = deploy(catalogue, add_dataset(catalogue, 0))
    add_random(catalogue, {champion: guesses(rng)})
    assert noted(catalogue) is None
    requests, reason = tick(context)
    assert requests == []
    assert "fell against its own figure" in reason
    fall = noted(catalogue)
    assert fall is not None
    with catalogue.read() as session:
        reported, texts = alerts_since(session, None, RetrainingSettings())
        assert texts == [f"AstrID: {fall}"]
        assert alerts_since(session, reported, RetrainingSettings())[1] == []
        facts = facts_of(session, now(), None, is_training=False)
    enough = NewLabels(15, 5)
    for fallen, action in ((fall, "train"), (None, "wait")):
        decision = should_retrain(
            replace(facts, new=enough, fallen=fallen), RetrainingSettings(cool_down_h=0)
        )
        assert decision.action == action
        assert (fall in decision.reason) == (fallen is not None)
    deploy(catalogue, add_dataset(catalogue, 0))
    assert noted(catalogue) is None


def test_a_champion_that_is_worse_than_its_predecessor_is_rolled_back_once(catalogue, context, rng):
    before = deploy(catalogue, add_dataset(catalogue, 0))
    champion = deploy(catalogue, add_dataset(catalogue, 0))
    add_random(catalogue, {champion: guesses(rng), before: good(rng)})
    [request], _ = tick(context)
    assert request.job_name == rollback_job.name
    config = request.run_config["ops"]["rollback"]["config"]
    assert "worse than before" in config["because"]
    [again], _ = tick(context)
    assert again.run_key == request.run_key


def test_a_champion_that_fell_with_its_predecessor_is_not_rolled_back(catalogue, context, rng):
    before = deploy(catalogue, add_dataset(catalogue, 0))
    champion = deploy(catalogue, add_dataset(catalogue, 0))
    add_random(catalogue, {champion: guesses(rng), before: guesses(rng)})
    assert tick(context)[0] == []
    assert noted(catalogue) is not None


def test_a_healthy_champion_is_left_alone_and_the_tick_shows_the_numbers(catalogue, context, rng):
    before = deploy(catalogue, add_dataset(catalogue, 0))
    champion = deploy(catalogue, add_dataset(catalogue, 0))
    add_random(catalogue, {champion: good(rng), before: good(rng)})
    requests, reason = tick(context)
    assert requests == []
    assert "smallest fall" in reason
    assert "against its predecessor" in reason


@pytest.mark.parametrize("drawn_as", ["uncertain", "disputed", "second", None])
def test_items_that_were_not_drawn_at_random_judge_nothing(catalogue, context, rng, drawn_as):
    champion = deploy(catalogue, add_dataset(catalogue, 0))
    add_random(catalogue, {champion: guesses(rng)}, drawn_as)
    requests, reason = tick(context)
    assert requests == []
    assert reason.startswith("0 random items")


def test_answers_after_the_score_was_seen_judge_nothing(catalogue, context, rng):
    champion = deploy(catalogue, add_dataset(catalogue, 0))
    own = {champion: list(guesses(rng)[0])}
    add_labels(catalogue, N, "real", model_scores=own, drawn_as="random", score_seen=True)
    assert tick(context)[1].startswith("0 random items")


def test_labels_that_the_champion_was_trained_on_are_left_out(catalogue, context, rng):
    champion = deploy(catalogue, add_dataset(catalogue, 10**6))
    add_random(catalogue, {champion: guesses(rng)})
    assert tick(context)[1].startswith("0 random items")


def test_scores_of_another_model_are_left_out(catalogue, context, rng):
    first = deploy(catalogue, add_dataset(catalogue, 0))
    deploy(catalogue, add_dataset(catalogue, 0))
    add_random(catalogue, {first: guesses(rng)})
    requests, reason = tick(context)
    assert requests == []
    assert reason.startswith("0 random items")
