"""The band in which a score decides nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from astrid_assets.science.labelling.rules import DEFAULT_RULES, ConsensusRules
from astrid_assets.science.labelling.score_limits import score_limits


def test_without_a_band_every_score_decides():
    limits = score_limits(0.7, DEFAULT_RULES.undecided_odds)
    assert [limits.opinion(score) for score in (0.0, 0.6999, 0.7, 1.0)] == [
        "bogus",
        "bogus",
        "real",
        "real",
    ]


@pytest.mark.parametrize("threshold", [0.01, 0.5, 0.97])
def test_the_band_is_a_factor_of_the_odds_to_either_side(threshold):
    limits = score_limits(threshold, 4.0)
    odds = np.array([limits.low, threshold, limits.high])
    odds /= 1 - odds
    assert_allclose(odds[1:] / odds[:-1], 4.0)
    assert 0 < limits.low < threshold < limits.high < 1
    assert limits.opinion(threshold) == "undecided"
    assert limits.opinion(limits.high) == "real"
    assert limits.opinion(np.nextafter(limits.low, 0)) == "bogus"


def test_where_real_is_rarer_the_same_detections_are_undecided(rng):
    def rarer(score: np.ndarray) -> np.ndarray:
        """Return the probability where the odds of all are a fifth."""
        return score / (score + 5 * (1 - score))

    scores = rng.uniform(size=500)
    here, there = score_limits(0.6, 3.0), score_limits(float(rarer(np.array(0.6))), 3.0)
    said = [here.opinion(score) for score in scores]
    assert [there.opinion(score) for score in rarer(scores)] == said
    assert set(said) == {"real", "bogus", "undecided"}


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_threshold_at_either_end_has_no_band(threshold):
    limits = score_limits(threshold, 3.0)
    assert (limits.low, limits.high) == (threshold, threshold)


def test_the_rule_is_off_by_default_and_then_in_no_hash():
    assert "undecided_odds" not in DEFAULT_RULES.model_dump()
    assert ConsensusRules.model_validate({"undecided_odds": 3}).undecided_odds == 3
