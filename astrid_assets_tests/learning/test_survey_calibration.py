"""Calibrations of a survey's own: used where they are known, and then right."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.learning.calibration import at_prevalence, calibration_error
from astrid_assets.learning.survey_calibration import MAX_HALF_WIDTH, calibrate_survey

KNOWN = 0.4
THRESHOLD = 0.5
TOO_SURE, SHIFT = 2.0, 1.0


def survey_items(rng, n, share, *, too_sure=TOO_SURE, shift=SHIFT, apart=2.5):
    """Return scores of a model that is wrong about a survey, labels, and right scores."""
    labels = rng.random(n) < share
    x = rng.normal(size=n) + apart * labels
    right = apart * x - apart**2 / 2 + np.log(KNOWN / (1 - KNOWN))
    return sigmoid((right - shift) * too_sure), labels, sigmoid(right)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def calibrated(scores, labels, groups=None):
    return calibrate_survey(scores, labels, groups, prevalence=KNOWN, threshold=THRESHOLD)


def test_few_items_leave_the_common_calibration_and_the_reason(rng):
    few = calibrated(*survey_items(rng, 40, 0.3)[:2])
    assert few.own is None
    assert "the common calibration" in few.reason
    assert "at most 2 is accepted" in few.reason
    none = calibrated(np.array([0.1, 0.2]), np.array([False, False]))
    assert none.own is None
    assert none.reason.endswith(
        "0 real and 2 bogus of the val split drawn at random, both classes are needed"
    )


@pytest.mark.slow
def test_what_suffices_holds_in_95_of_100_surveys(rng):
    right, accepted = 0, 0
    for n in (150, 200, 300) * 25:
        scores, labels, _ = survey_items(rng, n, 0.2)
        found = calibrated(scores, labels)
        if found.own is None or found.half_width is None:
            continue
        accepted += 1
        at = found.own.network_score(THRESHOLD)
        truth = np.log(at / (1 - at)) / TOO_SURE + SHIFT
        assert found.half_width <= MAX_HALF_WIDTH
        right += abs(truth) <= found.half_width
    assert accepted > 45
    assert right / accepted >= 0.92


def test_scores_become_probabilities_at_the_common_prevalence(rng):
    found = calibrated(*survey_items(rng, 1000, 0.1)[:2])
    assert found.own is not None
    scores, labels, right = survey_items(rng, 50_000, KNOWN)
    own = found.own.scores(scores)
    assert own.dtype == np.float32
    assert calibration_error(scores, labels) > 0.06
    assert calibration_error(own.astype(float), labels) < 0.04
    # At the survey's own share of real, too.
    scores, labels, right = survey_items(rng, 50_000, 0.1)
    there = at_prevalence(found.own.scores(scores).astype(float), KNOWN, 0.1)
    assert there.mean() == pytest.approx(labels.mean(), abs=0.02)
    assert np.all(np.diff(found.own.scores(np.sort(scores))) >= 0)
    assert np.corrcoef(found.own.scores(scores), right)[0, 1] > 0.99


@pytest.mark.slow
def test_a_survey_like_all_others_loses_next_to_nothing(rng):
    lost = []
    for _ in range(20):
        scores, labels, _ = survey_items(rng, 250, 0.2, too_sure=1, shift=0)
        found = calibrated(scores, labels)
        if found.own is None:
            continue
        new, truth, _ = survey_items(rng, 5000, KNOWN, too_sure=1, shift=0)
        own = found.own.scores(new).astype(float)
        lost.append(cross_entropy(own, truth) - cross_entropy(new, truth))
    assert len(lost) > 10
    assert np.mean(lost) < 0.01


def test_one_object_seen_fifty_times_is_one_object(rng):
    scores, labels, _ = survey_items(rng, 300, 0.3)
    objects = np.arange(300).astype(str)
    alone = calibrated(scores, labels, objects)
    often = calibrated(
        np.repeat(scores[:30], 10), np.repeat(labels[:30], 10), np.repeat(objects[:30], 10)
    )
    assert alone.own is not None
    assert often.own is None
    assert alone.half_width is not None
    assert often.half_width is not None
    assert often.half_width > 1.5 * alone.half_width


def test_certain_scores_stay_finite(rng):
    scores, labels, _ = survey_items(rng, 400, 0.3)
    found = calibrated(scores, labels)
    assert found.own is not None
    ends = found.own.scores(np.array([0.0, 1.0], dtype=np.float32))
    assert np.isfinite(ends).all()
    assert ends[0] < 0.01
    assert ends[1] > 0.99


def cross_entropy(scores, labels):
    scores = np.clip(scores, 1e-7, 1 - 1e-7)
    return float(-np.where(labels, np.log(scores), np.log(1 - scores)).mean())
