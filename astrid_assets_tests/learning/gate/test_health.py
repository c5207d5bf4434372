"""The health of a model in force: how often it is wrongly accused, and what is noticed."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.learning.gate.health import (
    LOOKS,
    WINDOW,
    Draws,
    judge_fall,
    judge_predecessor,
    last_look,
    noticeable_fall,
)
from astrid_assets.learning.metrics.intervals import Interval, area_parts
from astrid_assets.science.labelling.rules import DEFAULT_RULES
from astrid_assets_tests.learning.gate.draws import labels_of, scores_of

DEMO = (275, 146)


def figure(rng: np.random.Generator, roc_auc: float) -> Interval:
    """Return the figure of a model on a test split of the demo's size."""
    labels = labels_of(*DEMO)
    scores = scores_of(rng, labels, roc_auc, rng.normal(size=len(labels)))[0]
    return area_parts(scores, labels, None).interval()


def night(rng: np.random.Generator, n: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return labels of random items, and the noise that models have in common on them."""
    return rng.random(n) < share, rng.normal(size=n)


def test_each_item_of_a_window_is_paid_for_once():
    looks = [look for n in range(2 * WINDOW + 1) if (look := last_look(n))]
    assert sorted({look.stop for look in looks}) == [*LOOKS, 2 * WINDOW]
    first = {look.stop: look.share for look in looks if look.stop <= WINDOW}
    assert sum(first.values()) == pytest.approx(1)
    assert last_look(LOOKS[0] - 1) is None
    newest = last_look(3 * WINDOW - 1)
    assert newest is not None
    assert (newest.start, newest.stop, newest.share) == (WINDOW, 2 * WINDOW, 1)


def test_looks_by_draws_are_those_by_items_where_each_draw_gave_one():
    for n in range(2 * WINDOW + 50):
        assert Draws(range(n), n).look == last_look(n)


def test_each_item_is_paid_for_once_whatever_draws_gave_none(rng):
    may_judge = rng.random(3 * WINDOW) < 0.4
    numbers = np.flatnonzero(may_judge).tolist()
    looks = {}
    for count in range(len(may_judge) + 1):
        found = Draws([number for number in numbers if number < count], count).look
        if found is not None:
            looks[found.stop] = found
    assert sum(look.share for look in looks.values()) == pytest.approx(len(numbers) / WINDOW)
    newest = max(looks.values(), key=lambda look: look.stop)
    assert (newest.start, newest.stop) == (len(numbers) - WINDOW, len(numbers))
    # Where none of the newest draws may judge, there is nothing to look at again.
    assert Draws(numbers, len(may_judge) + WINDOW).look is None
    # What was drawn long before the window changes nothing.
    later = numbers[newest.start :]
    moved = Draws(later, len(may_judge)).look
    assert moved is not None
    assert (moved.start, moved.stop, moved.share) == (0, WINDOW, newest.share)


def test_items_between_two_looks_change_nothing(rng):
    labels, shared = night(rng, 399, 0.6)
    scores = scores_of(rng, labels, 0.9, shared)[0]
    own = Interval(0.95, 0.93, 0.97)
    assert judge_fall(scores[:200], labels[:200], own) == judge_fall(scores, labels, own)


@pytest.mark.slow
def test_a_fall_of_five_hundredths_is_noticed_with_400_random_items(rng):
    noticed = []
    for _ in range(200):
        own = figure(rng, 0.96)
        labels, shared = night(rng, WINDOW, 0.6)
        scores = scores_of(rng, labels, 0.91, shared)[0]
        looks = [judge_fall(scores[:stop], labels[:stop], own).event for stop in LOOKS]
        noticed.append(any(looks))
    assert np.mean(noticed) >= 0.8


@pytest.mark.slow
def test_an_unchanged_model_is_rarely_said_to_have_fallen(rng):
    alarmed = []
    for _ in range(300):
        own = figure(rng, 0.96)
        labels, shared = night(rng, WINDOW, 0.6)
        scores = scores_of(rng, labels, 0.96, shared)[0]
        looks = [judge_fall(scores[:stop], labels[:stop], own).event for stop in LOOKS]
        alarmed.append(any(looks))
    # 5 %, and what 300 draws scatter.
    assert np.mean(alarmed) <= 0.075


@pytest.mark.slow
@pytest.mark.parametrize("roc_auc", [0.94, 0.98])
def test_a_healthy_model_is_not_taken_back_at_the_default_shares_of_the_queue(rng, roc_auc):
    shares = DEFAULT_RULES.shares
    at_random = shares["random"] / sum(shares.values())
    wrong = []
    for _ in range(400):
        # 200 labels: most are drawn as uncertain or disputed, and judge nothing.
        labels, shared = night(rng, int(rng.binomial(200, at_random)), 0.6)
        champion, before = scores_of(rng, labels, roc_auc, shared, models=2)
        wrong.append(judge_predecessor(champion, before, labels).event)
    assert np.mean(wrong) <= 0.01


@pytest.mark.slow
def test_a_model_that_is_worse_than_its_predecessor_is_taken_back(rng):
    taken = []
    for _ in range(60):
        labels, shared = night(rng, WINDOW, 0.6)
        before = scores_of(rng, labels, 0.97, shared)[0]
        champion = scores_of(rng, labels, 0.88, shared)[0]
        taken.append(judge_predecessor(champion, before, labels).event)
    assert np.mean(taken) >= 0.9


@pytest.mark.slow
def test_at_one_in_a_hundred_real_no_less_is_noticed_than_promised(rng):
    own = Interval(0.96, 0.95, 0.97)
    promised = noticeable_fall(own, 4, 396, 0.025)
    assert promised is not None
    # With four real ones only a model that has become useless is noticed.
    assert 0.3 < promised < 0.46
    labels = labels_of(4, 396)
    order = rng.permutation(400)
    noticed = []
    for _ in range(200):
        scores = scores_of(rng, labels, 0.96 - promised, rng.normal(size=400))[0]
        noticed.append(judge_fall(scores[order], labels[order], own).event)
    assert np.mean(noticed) >= 0.8 - 0.06


def test_the_reason_names_the_smallest_fall_that_can_be_noticed(rng):
    labels = rng.permutation(labels_of(4, 396))
    scores = scores_of(rng, labels, 0.96, rng.normal(size=400))[0]
    health = judge_fall(scores, labels, Interval(0.96, 0.95, 0.97))
    assert not health.event
    assert "the smallest fall that these notice in 80% of cases: one of 0." in health.reason


def test_few_items_and_one_class_judge_nothing(rng):
    own = Interval(0.96, 0.95, 0.97)
    few = judge_fall(np.ones(49), np.ones(49, bool), own)
    assert not few.event
    assert "the first look is at 50" in few.reason
    one = judge_fall(rng.random(60), np.arange(60) < 2, own)
    assert not one.event
    assert "2 real and 48 bogus" in one.reason
