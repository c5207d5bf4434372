"""Retirement by declared rules, weights of experts, noise from disagreement."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from astrid_assets.science.arrays.intervals import wilson_interval
from astrid_assets.science.labelling.agreement import label_noise
from astrid_assets.science.labelling.consensus import Consensus, Vote, consensus
from astrid_assets.science.labelling.rules import (
    DEFAULT_RULES,
    ConsensusRules,
    queue_state,
)


@pytest.mark.parametrize(
    ("labels", "wanted", "state"),
    [
        ([], 1, "new"),
        (["unsure"], 1, "new"),
        (["real"], 1, "retired"),
        (["real"], 2, "second"),
        (["real", "real"], 2, "retired"),
        (["real", "bogus"], 1, "disputed"),
        (["real", "bogus", "real"], 2, "retired"),
        (["real", "bogus", "real", "bogus"], 2, "disputed"),
        (["real", "bogus", "real", "bogus", "unsure"], 2, "capped"),
        (["real", "bogus", "real", "bogus", "real"], 2, "capped"),
        (["unsure"] * 5, 1, "capped"),
        (["real", "bogus", "real", "real", "real"], 2, "retired"),
    ],
)
def test_two_of_three_decide_and_five_are_the_most(labels, wanted, state):
    decisive = [label for label in labels if label != "unsure"]
    lead = max((decisive.count(x) for x in decisive), default=0)
    agreement = lead / len(decisive) if decisive else 1.0
    assert queue_state(len(decisive), len(labels), agreement, wanted, DEFAULT_RULES) == state


def decided(
    events: list[Vote],
    rules: ConsensusRules = DEFAULT_RULES,
    weights: dict[str, float] | None = None,
) -> Consensus:
    found = consensus(events, rules, weights)
    assert found is not None
    return found


def test_an_expert_outvotes_one_but_not_two():
    events = [Vote(1, "eva", "real"), Vote(2, "ann", "bogus")]
    weights = {"eva": DEFAULT_RULES.expert_weight}
    assert decided(events).label == "disputed"
    found = decided(events, DEFAULT_RULES, weights)
    assert (found.label, found.n_votes) == ("real", 2)
    assert found.agreement == pytest.approx(2 / 3)
    more = [*events, Vote(3, "bob", "bogus")]
    assert decided(more, DEFAULT_RULES, weights).label == "disputed"


def test_stricter_rules_make_more_disputes():
    events = [Vote(1, "a", "real"), Vote(2, "b", "real"), Vote(3, "c", "bogus")]
    strict = ConsensusRules.model_validate({"min_agreement": 0.8})
    assert decided(events).label == "real"
    assert decided(events, strict).label == "disputed"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"votes": 6}, "must not be below"),
        (dict.fromkeys(DEFAULT_RULES.shares, 0), "must be above 0"),
        ({"min_agreement": 0.5}, "greater than 0.5"),
        ({"unknown": 1}, "Extra inputs"),
    ],
)
def test_rules_that_make_no_sense_are_refused(change, words):
    with pytest.raises(ValidationError, match=words):
        ConsensusRules.model_validate(change)


def test_noise_follows_from_disagreement(rng):
    n, error = 200_000, 0.05
    first, second = rng.random((2, n)) < error
    assert label_noise(float((first != second).mean())) == pytest.approx(error, abs=0.002)
    assert label_noise(0.0) == 0
    assert label_noise(2 * 0.1 * 0.9) == pytest.approx(0.1)
    assert label_noise(0.6) is None


def test_wilson_intervals_cover_what_they_promise(rng):
    covered = []
    for share in (0.05, 0.5, 0.9):
        for hits in rng.binomial(40, share, 2000).tolist():
            interval = wilson_interval(hits, 40)
            assert interval is not None
            low, high = interval
            covered.append(low <= share <= high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)
    assert wilson_interval(0, 0) is None
