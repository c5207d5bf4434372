"""Gates: the claims they make, at and around their limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrid_assets.science.arrays.intervals import upper_bound
from astrid_assets.science.quality.difference_gates import DIFFERENCE_GATES
from astrid_assets.science.quality.gate import value_in_words
from astrid_assets.science.quality.gates import (
    NIGHT_BALANCE,
    OTHER_GATES,
    candidate_density,
    completeness,
    dataset_balance,
    dataset_quality,
    enough_test_samples,
    evaluation_floor,
    frame_quality,
    frames_arrived,
    image_quality,
    injections_answered,
    label_agreement,
    label_balance,
    no_leaks,
    reference_is_clean,
    rejected_fraction,
)
from astrid_assets.science.quality.master_gates import MASTER_GATES
from astrid_assets_tests.science.quality.verdicts import blocking_gates


def test_an_empty_night_fails_no_gate():
    verdicts = [
        frames_arrived(0, 0),
        frame_quality(0, []),
        rejected_fraction(0, []),
        candidate_density(0, 0.0, 100.0),
        label_agreement([]),
        label_balance(NIGHT_BALANCE, 0, 0, (0.1, 0.9)),
    ]
    assert all(verdict.passed for verdict in verdicts)
    assert blocking_gates(verdicts) == []


def test_a_night_without_any_good_frame_is_held_back():
    verdict = frame_quality(0, ["defocused", "defocused", "wrong_field"])
    assert blocking_gates([verdict]) == ["frame_quality"]
    assert "2 defocused, 1 wrong_field" in verdict.detail


def test_one_bad_frame_does_not_hold_a_night_back():
    assert blocking_gates([frame_quality(3, ["defocused"])]) == []


def test_losing_most_frames_only_warns():
    verdict = rejected_fraction(1, ["low_transparency"] * 3)
    assert verdict.value == pytest.approx(0.75)
    assert not verdict.passed
    assert blocking_gates([verdict]) == []


def test_a_flood_of_candidates_is_held_back():
    verdict = candidate_density(500, 0.01, 10_000.0)
    assert verdict.value == pytest.approx(50_000)
    assert blocking_gates([verdict]) == ["candidate_density"]


def test_all_positive_labels_fail_the_balance():
    verdict = label_balance(NIGHT_BALANCE, 100, 0, (0.1, 0.9))
    assert verdict.value == 1.0
    assert not verdict.passed


def test_quarrelling_reviewers_fail_the_agreement():
    assert not label_agreement([0.5, 0.5, 1.0]).passed
    assert label_agreement([1.0, 1.0, 0.67]).passed


def test_a_training_set_is_judged_by_both_scores():
    assert dataset_quality(0.85, []).passed
    assert not dataset_quality(0.5, ["one class"]).passed
    assert image_quality(0.9, 0.7, []).passed
    assert not image_quality(0.5, 0.7, []).passed
    unknown = image_quality(None, 0.7, ["reviewers", "image: frame"])
    assert unknown.passed
    assert unknown.value is None
    assert unknown.detail.endswith("unknown: frame")


def test_a_training_set_is_judged_by_what_training_draws_and_by_counts():
    assert dataset_balance(0.5, 40, 7960, (0.1, 0.9), 20).passed
    assert not dataset_balance(0.005, 40, 7960, (0.1, 0.9), 20).passed
    few = dataset_balance(0.5, 5, 995, (0.1, 0.9), 20)
    assert not few.passed
    assert "each class needs 20" in few.detail
    assert not no_leaks(2, "2 by objects").passed
    assert no_leaks(0, "nothing").passed


def test_a_good_score_on_a_handful_of_samples_is_not_enough():
    assert evaluation_floor(0.99, 0.9, 0.7).passed
    assert not evaluation_floor(0.85, 0.9, 0.7).passed
    assert enough_test_samples(500).passed
    assert not enough_test_samples(12).passed


def test_completeness_fails_only_when_it_is_credibly_low():
    snr = (10.0, 20.0)
    assert completeness(12, 12, 0.8, snr).passed
    by_chance = completeness(9, 12, 0.8, snr)  # two thirds to nine tenths
    assert by_chance.passed
    # What is shown is what is judged: the upper end, not 0.75.
    assert by_chance.value == upper_bound(9, 12)
    assert not completeness(4, 12, 0.8, snr).passed
    assert not completeness(60, 100, 0.8, snr).passed
    assert completeness(0, 0, 0.8, snr).value is None


def test_injected_frames_without_an_answer_are_not_passed_over():
    verdict = injections_answered(1, 1)
    assert not verdict.passed
    assert "no answer" in verdict.detail
    assert injections_answered(0, 0).value is None


@given(
    value=st.floats(allow_nan=True, allow_infinity=True),
    lowest=st.floats(allow_nan=False, max_value=1e300),
    width=st.floats(min_value=0, max_value=1e300),
    gate=st.sampled_from((*OTHER_GATES, *MASTER_GATES, *DIFFERENCE_GATES)),
)
def test_every_gate_passes_exactly_when_its_value_lies_within_its_limits(
    value, lowest, width, gate
):
    highest = lowest + width
    verdict = gate.judge(value, at_least=lowest, at_most=highest, detail="")
    assert verdict.passed == (lowest <= value <= highest)
    assert verdict.holds_back == gate.blocks


@given(limit=st.floats(allow_nan=False, allow_infinity=False))
def test_a_limit_is_shown_with_every_digit_that_decides(limit):
    shown = OTHER_GATES[0].judge(limit, at_most=limit, detail="").limit
    assert float(shown.removeprefix("<= ")) == limit


@pytest.mark.slow
@given(
    limit=st.floats(0.001, 1000.0),
    factor=st.floats(0.2, 5.0) | st.floats(0.999999, 1.000001),
    gate=st.sampled_from(OTHER_GATES),
)
def test_the_value_in_words_lies_on_the_side_of_the_limit_that_decided(limit, factor, gate):
    for verdict in (
        gate.judge(limit * factor, at_most=limit, detail=""),
        gate.judge(limit * factor, at_least=limit, detail=""),
    ):
        shown = float(value_in_words(verdict.value, verdict.limit))
        bound = float(verdict.limit.split()[1])
        is_inside = shown <= bound if verdict.limit.startswith("<=") else shown >= bound
        assert is_inside == verdict.passed


def test_words_of_a_verdict_with_two_limits_and_of_none():
    assert value_in_words(0.09999, "0.1 to 0.9") == "0.09999"
    assert value_in_words(0.90004, "0.1 to 0.9") == "0.90004"
    assert value_in_words(None, ">= 1") == "no value"
    assert value_in_words(float("nan"), "<= 1.5") == "nan"


def test_every_gate_has_one_name_in_its_asset():
    names = [(gate.asset, gate.name) for gate in (*OTHER_GATES, *MASTER_GATES, *DIFFERENCE_GATES)]
    assert len(set(names)) == len(names)


def test_a_hole_on_every_frame_is_a_stained_reference():
    assert reference_is_clean([]).passed
    verdict = reference_is_clean(["10.00000 +2.00000"])
    assert not verdict.passed
    assert not verdict.holds_back
    assert "10.00000 +2.00000" in verdict.detail
