"""Former and current detections of one source: pairs, and when they are in doubt."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.labelling.carrying import are_contradictory, doubt_of, nearest_pairs
from astrid_assets.science.labelling.consensus import Vote

Answers = list[tuple[str, str, int]]


def by_hand(former: np.ndarray, current: np.ndarray, radius_px: float) -> list[tuple[int, int]]:
    """Take the closest pair that is left, until none is closer than the radius."""
    distance = np.hypot(*(former[:, None] - current[None]).transpose(2, 0, 1))
    pairs = []
    while distance.size and distance.min() < radius_px:
        i, j = np.unravel_index(np.argmin(distance), distance.shape)
        pairs.append((int(i), int(j)))
        distance[i, :] = distance[:, j] = np.inf
    return pairs


def test_the_closest_pairs_come_first_and_nothing_is_paired_twice(rng: np.random.Generator):
    for n, m in [(0, 3), (3, 0), (1, 1), (40, 25), (25, 40)]:
        former, current = rng.uniform(0, 20, (n, 2)), rng.uniform(0, 20, (m, 2))
        # Where nothing has moved, the distance is zero.
        current[: min(n, m) // 3] = former[: min(n, m) // 3]
        pairs = nearest_pairs(former, current, 2.5)
        assert [(i, j) for i, j, _ in pairs] == by_hand(former, current, 2.5) or {
            (i, j) for i, j, _ in pairs
        } == set(by_hand(former, current, 2.5))
        for i, j, distance in pairs:
            assert distance == pytest.approx(np.hypot(*(former[i] - current[j])))


def test_the_radius_itself_is_too_far():
    former, current = np.array([[0.0, 0.0]]), np.array([[3.0, 0.0]])
    assert nearest_pairs(former, current, 3.0) == []
    assert nearest_pairs(former, current, 3.0001) == [(0, 0, 3.0)]


@pytest.mark.parametrize(
    ("distance_fwhm", "snr_ratio", "doubt"),
    [(0.49, 1.0, None), (0.5, 1.0, "far"), (0.1, 2.01, "snr"), (0.1, 0.49, "snr"), (0, 2.0, None)],
)
def test_a_distant_pair_or_another_brightness_is_in_doubt(distance_fwhm, snr_ratio, doubt):
    assert doubt_of(distance_fwhm, snr_ratio) == doubt


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([], False),
        ([("a", "real", 1)], False),
        ([("a", "real", 1), ("b", "real", 2)], False),
        ([("a", "real", 1), ("b", "bogus", 2)], True),
        ([("a", "real", 1), ("b", "unsure", 2)], False),
        # A second thought on one detection is no contradiction between two.
        ([("a", "real", 1), ("a", "bogus", 2)], False),
        # Asked again after the contradiction, somebody has settled it.
        ([("a", "real", 1), ("b", "bogus", 2), ("c", "bogus", 3)], False),
        ([("a", "real", 1), ("b", "bogus", 2), ("c", "real", 3)], False),
    ],
)
def test_only_answers_on_two_detections_contradict(answers: Answers, expected: bool):
    votes = [(id_, Vote(sequence, "ann", word)) for id_, word, sequence in answers]
    assert are_contradictory(votes) == expected
    assert are_contradictory(votes[::-1]) == expected
