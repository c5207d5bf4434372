"""Folds: nobody is judged by a network that saw the object, or the future."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.learning.folds import CannotFold, balanced_parts, folds_by_group, folds_by_time


def split(rng, n_groups=120):
    groups = np.repeat(np.arange(n_groups), rng.integers(1, 9, n_groups)).astype(str)
    labels = (rng.random(n_groups) < 0.3)[np.unique(groups, return_inverse=True)[1]]
    may_judge = rng.random(len(groups)) < 0.7
    nights = np.char.add("2025-03-", rng.integers(10, 30, len(groups)).astype(str))
    return groups, labels, may_judge, nights


def test_each_row_that_may_judge_is_judged_once_by_a_network_that_saw_no_kin(rng):
    groups, labels, may_judge, _ = split(rng)
    folds = folds_by_group(groups, labels, may_judge, 5, seed=3)
    judged = np.concatenate([fold.judged for fold in folds])
    assert sorted(judged.tolist()) == np.flatnonzero(may_judge).tolist()
    for fold in folds:
        train, val, test = (set(groups[rows]) for rows in (fold.train, fold.val, fold.judged))
        assert not train & val
        assert not train & test
        assert not val & test
        assert may_judge[fold.val].all()
        assert not may_judge[fold.train].all()
        for rows in (fold.train, fold.val, fold.judged):
            assert 0 < labels[rows].sum() < len(rows)
    sizes = [len(fold.judged) for fold in folds]
    assert max(sizes) - min(sizes) <= 8
    reals = [labels[fold.judged].sum() for fold in folds]
    assert max(reals) - min(reals) <= 8


def test_what_has_no_judging_kin_trains_in_every_fold(rng):
    groups, labels, may_judge, _ = split(rng)
    alone = ~np.isin(groups, np.unique(groups[may_judge]))
    groups[rng.random(len(groups)) < 0.2] = "silver"
    may_judge &= groups != "silver"
    alone |= groups == "silver"
    assert alone.any()
    for fold in folds_by_group(groups, labels, may_judge, 5, seed=3):
        assert set(np.flatnonzero(alone)) <= set(fold.train.tolist())


def test_the_order_of_the_rows_changes_no_fold(rng):
    groups, labels, may_judge, _ = split(rng)
    order = rng.permutation(len(groups))
    parts = balanced_parts(groups, labels, may_judge, 5, 3)
    again = balanced_parts(groups[order], labels[order], may_judge[order], 5, 3)
    assert (parts[order] == again).all()
    assert (parts != balanced_parts(groups, labels, may_judge, 5, 4)).any()


def test_later_nights_are_judged_with_what_was_known_before(rng):
    groups, labels, may_judge, nights = split(rng, 600)
    # Most objects are seen in one night only, as transients are.
    first = dict(zip(groups, nights, strict=True))
    nights = np.where(rng.random(len(groups)) < 0.9, [first[g] for g in groups], nights)
    folds = folds_by_time(nights, groups, labels, may_judge, 3, seed=3)
    assert len(folds) == 3
    for fold in folds:
        seen = np.concatenate([fold.train, fold.val])
        assert max(nights[seen]) < min(nights[fold.judged])
        assert not set(groups[seen]) & set(groups[fold.judged])
    assert sum(fold.left_out for fold in folds) > 0


@pytest.mark.parametrize(
    ("labels", "message"),
    [([True, False, False, False], "1 objects with real"), ([True] * 4, "0 objects with bogus")],
)
def test_too_few_objects_are_a_sentence(labels, message):
    with pytest.raises(CannotFold, match=message):
        folds_by_group(np.array(list("abcd")), np.array(labels), np.ones(4, dtype=bool), 2, 1)


def test_too_few_nights_are_a_sentence():
    nights = np.array(["2025-03-01", "2025-03-02"] * 5)
    with pytest.raises(CannotFold, match="2 nights make no 2 folds"):
        folds_by_time(nights, np.arange(10).astype(str), np.arange(10) < 5, np.ones(10, bool), 2, 1)
