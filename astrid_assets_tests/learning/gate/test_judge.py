"""The gate as a whole: its verdicts, and the checks that block."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.learning.gate.card import GateOutcome
from astrid_assets.learning.gate.checks import Check
from astrid_assets.learning.gate.judge import JudgedRows, JudgedScores, judge_pair
from astrid_assets.learning.gate.settings import GateSettings
from astrid_assets_tests.learning.gate.draws import judged, labels_of, scores_of

SETTINGS = GateSettings(bootstraps=100, must_be_calibrated=False)

pytestmark = pytest.mark.slow


def rows_of(rng, n_real: int = 275, n_bogus: int = 146) -> JudgedRows:
    labels = labels_of(n_real, n_bogus)
    return JudgedRows(labels, rng.uniform(5, 50, len(labels)))


def pair(rng, rows: JudgedRows, new: float, old: float) -> tuple[JudgedScores, JudgedScores]:
    shared = rng.normal(size=len(rows.labels))
    return (
        judged("2", scores_of(rng, rows.labels, new, shared)[0], rows),
        judged("1", scores_of(rng, rows.labels, old, shared)[0], rows),
    )


def test_a_clearly_better_model_is_deployed(rng):
    rows = rows_of(rng)
    card = judge_pair(*pair(rng, rows, 0.99, 0.94), rows, SETTINGS)
    assert card.verdict == GateOutcome.BETTER
    assert card.deploys
    assert "ROC AUC" in card.reason


def test_the_same_model_again_keeps_the_champion(rng):
    rows = rows_of(rng)
    model, _ = pair(rng, rows, 0.97, 0.9)
    card = judge_pair(model, replace(model, name="1"), rows, SETTINGS)
    assert card.verdict == GateOutcome.EQUAL
    assert not card.deploys


def test_a_clearly_worse_model_is_called_worse(rng):
    rows = rows_of(rng)
    card = judge_pair(*pair(rng, rows, 0.93, 0.99), rows, SETTINGS)
    assert card.verdict == GateOutcome.WORSE
    assert not card.deploys


def test_small_differences_are_noise_of_either_sign(rng):
    rows = rows_of(rng)
    seen = {judge_pair(*pair(rng, rows, 0.96, 0.96), rows, SETTINGS).verdict for _ in range(8)}
    assert {GateOutcome.EQUAL, GateOutcome.WORSE_WITHIN_NOISE} <= seen


def test_a_later_attempt_must_prove_more(rng):
    rows = rows_of(rng)
    both = pair(rng, rows, 0.975, 0.95)
    cards = [judge_pair(*both, rows, SETTINGS, attempt=attempt) for attempt in (1, 1000)]
    assert [card.deploys for card in cards] == [True, False]
    assert "attempt 1000" in cards[1].reason


def test_few_of_a_class_are_not_enough_to_tell_whatever_the_scores(rng):
    rows = rows_of(rng, 60, 19)
    card = judge_pair(*pair(rng, rows, 0.999, 0.8), rows, SETTINGS)
    assert card.verdict == GateOutcome.NOT_ENOUGH
    assert not card.deploys
    assert "19 objects of the rarer class" in card.reason


def test_many_rows_of_few_objects_are_few(rng):
    rows = rows_of(rng)
    of_one = replace(rows, groups=np.where(rows.labels, np.arange(421), 421).astype(str))
    card = judge_pair(*pair(rng, rows, 0.99, 0.9), of_one, SETTINGS)
    assert card.verdict == GateOutcome.NOT_ENOUGH


@pytest.mark.parametrize("n_bogus", [1, 3, 20, 40])
def test_random_scores_never_pass_the_floor(rng, n_bogus):
    settings = GateSettings(bootstraps=100, must_beat_snr=False, must_be_calibrated=False)
    for _ in range(5):
        rows = rows_of(rng, 60, n_bogus)
        model = judged("1", rng.normal(size=60 + n_bogus), rows)
        assert not judge_pair(model, None, rows, settings).deploys


def test_a_first_good_model_is_deployed_and_one_like_snr_is_not(rng):
    rows = rows_of(rng)
    good, _ = pair(rng, rows, 0.98, 0.9)
    first = judge_pair(good, None, rows, SETTINGS)
    assert first.deploys
    assert "first model" in first.reason
    clever = replace(rows, snr=rows.snr + 100 * rows.labels)
    same = judged("1", clever.snr, clever)
    assert not judge_pair(same, None, clever, SETTINGS).deploys


def test_a_failed_check_of_the_numbers_blocks_a_better_model(rng):
    rows = rows_of(rng)
    new, old = pair(rng, rows, 0.99, 0.94)
    broken = replace(new, sound=[Check(name="speed", value=99.0, limit="at most 1", passed=False)])
    card = judge_pair(broken, old, rows, SETTINGS)
    assert card.verdict == GateOutcome.BETTER
    assert not card.deploys
    assert "refused: speed is 99 (at most 1)" in card.reason


def test_what_was_not_measured_blocks_nothing_but_is_listed(rng):
    rows = rows_of(rng)
    new, old = pair(rng, rows, 0.99, 0.94)
    unknown = Check(name="golden cutouts", detail="not measured: the training kept none")
    card = judge_pair(replace(new, sound=[unknown]), old, rows, SETTINGS)
    assert card.deploys
    assert unknown in card.checks


def test_a_model_that_fails_one_survey_is_refused_though_better_on_average(rng):
    rows = rows_of(rng, 1500, 1000)
    survey = np.where(np.arange(2500) % 10 == 0, "small", "large")
    rows = replace(rows, by={"survey": survey})
    new, old = pair(rng, rows, 0.99, 0.94)
    turned = np.where(survey == "small", 1 - new.scores, new.scores)
    # The floors hold: nine rows of ten are ranked better than before.
    card = judge_pair(judged("2", turned, rows), old, rows, SETTINGS)
    assert not card.deploys
    assert any("survey small" in check.detail for check in card.failed)


def test_a_model_whose_scores_mean_nothing_is_refused(rng):
    rows = rows_of(rng)
    settings = GateSettings(bootstraps=100)
    new, old = pair(rng, rows, 0.99, 0.94)
    squeezed = judged("2", 0.02 * np.log(new.scores / (1 - new.scores)), rows)
    card = judge_pair(squeezed, old, rows, settings)
    assert any(check.name == "calibration error" for check in card.failed)
    # Before a first model there is S/N, which is no probability.
    first = judge_pair(squeezed, None, rows, settings)
    [shown] = [check for check in first.checks if check.name == "calibration error"]
    assert shown.value is not None
    assert shown.value > 0.1
    assert shown.passed


def test_the_card_holds_plain_values_only(rng):
    rows = rows_of(rng)
    card = judge_pair(*pair(rng, rows, 0.97, 0.96), rows, SETTINGS)
    again = json.loads(json.dumps(card.as_dict()))
    assert again["verdict"] == card.verdict
    assert again["power"]["attempt"] == 1
    assert again["settings"]["min_roc_auc"] == 0.9
