"""A table of cases: when a training starts, when it waits, and what the reason says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from astrid_assets.steps.learning.retraining.decision import (
    DriftedNight,
    LackedLabels,
    RandomError,
    RetrainingFacts,
    TrainedDataset,
    should_retrain,
)
from astrid_assets.steps.learning.retraining.settings import RetrainingSettings
from astrid_assets.storage.review.labels import NewLabels

SETTINGS = RetrainingSettings()
SMALL = TrainedDataset("d" * 36, 400)
LARGE = TrainedDataset("d" * 36, 10_000)
ENOUGH = RetrainingFacts(NewLabels(30, 20, 900), SMALL, hours_since=30.0)
FEW = replace(ENOUGH, new=NewLabels(12, 8, 900))
FELL = RandomError(30, 200, expected=0.05)
LACKING_REAL = LackedLabels({"real": 12}, "label_balance: 3 real", NewLabels(11, 500))


def drift(
    effect: float | None = 0.4, *, usual: float = 0.15, n_reference: int = 10
) -> list[DriftedNight]:
    return [DriftedNight(f"2025-03-0{day}", effect, usual, n_reference) for day in (3, 2, 1)]


QUIET = {("sim", number): drift(0.02) for number in ("snr", "fwhm_px", "sky_rms_ratio")}

CASES = {
    "nothing labelled yet": (RetrainingFacts(NewLabels(0, 0)), "wait", "200 needed"),
    "first training, one short": (
        RetrainingFacts(NewLabels(100, 99)),
        "wait",
        "199 new labels (100 real, 99 bogus) and no training yet: 200 needed",
    ),
    "first training": (RetrainingFacts(NewLabels(100, 100)), "train", "200 new labels"),
    "one short of the count": (replace(ENOUGH, new=NewLabels(30, 19)), "wait", "50 needed"),
    "the count": (ENOUGH, "train", "50 new labels (30 real, 20 bogus) since dataset dddddddd"),
    "the count, but not the share": (replace(ENOUGH, dataset=LARGE), "wait", "500 needed"),
    "the share": (replace(ENOUGH, dataset=LARGE, new=NewLabels(0, 500)), "train", "500 new"),
    "a training runs": (replace(ENOUGH, is_training=True), "wait", "a training is under way"),
    "too soon": (
        replace(ENOUGH, hours_since=19.9),
        "wait",
        "began or failed 19.9 hours ago, the next one may begin after 20",
    ),
    "soon enough": (replace(ENOUGH, hours_since=20.0), "train", "50 new labels"),
    "labels came, but not of the kind that was lacking": (
        replace(ENOUGH, lacked=LACKING_REAL),
        "wait",
        "lacked labels, and 1 more real must come first (label_balance: 3 real)",
    ),
    "the kind that was lacking came": (
        replace(ENOUGH, lacked=replace(LACKING_REAL, since=NewLabels(12, 0))),
        "train",
        "50 new labels",
    ),
    "either kind was lacking": (
        replace(ENOUGH, lacked=LackedLabels({"any": 10}, "too few", NewLabels(5, 4))),
        "wait",
        "1 more of either kind must come first (too few)",
    ),
    "few labels": (FEW, "wait", "20 new labels (12 real, 8 bogus)"),
    "few labels and more errors": (
        replace(FEW, error=FELL),
        "train",
        "30 of 200 random items called wrongly, at most 5.0% when the model was judged",
    ),
    "more errors and no labels": (
        replace(FEW, error=FELL, new=NewLabels(0, 0)),
        "wait",
        "called wrongly, at most 5.0% when the model was judged (chance",
    ),
    "errors within chance": (
        replace(FEW, error=RandomError(15, 200, expected=0.05)),
        "wait",
        "50 needed",
    ),
    "few labels and lasting drift": (
        replace(FEW, drift={**QUIET, ("sim", "score"): drift()}),
        "train",
        "score of sim has drifted (2025-03-01 to 2025-03-03, by at least 0.40)",
    ),
    "drift of two nights": (replace(FEW, drift={("sim", "score"): drift()[:2]}), "wait", "50"),
    "a quiet night between": (
        replace(FEW, drift={("sim", "score"): [*drift()[:1], *drift(0.1)[:1], *drift()[2:]]}),
        "wait",
        "50 needed",
    ),
    "no more than reference nights differ": (
        replace(FEW, drift={("sim", "score"): drift(0.15)}),
        "wait",
        "50 needed",
    ),
    "drift too small to matter": (
        replace(FEW, drift={("sim", "score"): drift(0.1, usual=0.0)}),
        "wait",
        "50 needed",
    ),
    "too few detections": (replace(FEW, drift={("sim", "score"): drift(None)}), "wait", "50"),
    # Three nights stand out of five by luck in 1 of 56 cases: enough for one number of one
    # survey, not for one of four.
    "few reference nights": (
        replace(FEW, drift={("sim", "score"): drift(n_reference=5)}),
        "train",
        "has drifted",
    ),
    "few reference nights and many numbers": (
        replace(FEW, drift={**QUIET, ("sim", "score"): drift(n_reference=5)}),
        "wait",
        "50 needed",
    ),
    "drift during the cool-down": (
        replace(FEW, drift={("sim", "score"): drift()}, hours_since=1.0),
        "wait",
        "1.0 hours ago",
    ),
}


@pytest.mark.parametrize(("facts", "action", "words"), CASES.values(), ids=CASES)
def test_the_facts_decide_and_the_reason_says_which(
    facts: RetrainingFacts, action: str, words: str
) -> None:
    decision = should_retrain(facts, SETTINGS)
    assert decision.action == action
    assert words in decision.reason
    assert (decision.run_key is not None) == (action == "train")


@pytest.mark.parametrize(("facts", "action", "_words"), CASES.values(), ids=CASES)
def test_a_dry_run_trains_never_and_waits_for_the_same_reasons(
    facts: RetrainingFacts, action: str, _words: str
) -> None:
    dry = should_retrain(facts, RetrainingSettings(dry_run=True))
    assert dry.action == ("would train" if action == "train" else "wait")
    assert dry.run_key is None
    if action == "wait":
        assert dry == should_retrain(facts, SETTINGS)


def test_one_state_of_the_labels_starts_one_training() -> None:
    key = should_retrain(ENOUGH, SETTINGS).run_key
    # Time passes, and nothing else: the key stays.
    assert should_retrain(replace(ENOUGH, hours_since=400.0), SETTINGS).run_key == key
    for changed in (
        replace(ENOUGH, new=NewLabels(31, 20, 901)),
        replace(ENOUGH, new=NewLabels(30, 20, 901)),  # a label changed its kind and back
        replace(ENOUGH, dataset=replace(SMALL, id="e" * 36)),
        replace(ENOUGH, last_run="that failed"),
    ):
        assert should_retrain(changed, SETTINGS).run_key != key


def test_luck_alone_seldom_looks_like_more_errors() -> None:
    import numpy as np

    n, expected = 400, 0.05
    wrong = np.random.default_rng(4).binomial(n, expected, 20_000)
    by_count = {
        int(k): "called wrongly"
        in should_retrain(replace(FEW, error=RandomError(int(k), n, expected)), SETTINGS).reason
        for k in np.unique(wrong)
    }
    assert np.mean([by_count[int(k)] for k in wrong]) <= SETTINGS.error_level
