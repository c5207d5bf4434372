"""Cross-validation: every detection judged by a network that never saw its object.

Rows that may only train (a survey's own high scores, say) never judge, and never train a
network that judges an object of theirs.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Rows = NDArray[np.int64]
    Groups = NDArray[np.str_]

VAL_PARTS = 5
"""One part in so many of what is not judged chooses the epoch and calibrates."""


class CannotFold(ValueError):
    """There are too few groups of a class, or nights; the message says how many."""


@dataclass(frozen=True)
class Fold:
    """Row numbers of one training and of what it judges; the three share no group.

    `left_out` counts the rows that could have been judged but for an object that the
    training saw (folds by time only).
    """

    name: str
    train: Rows
    val: Rows
    judged: Rows
    left_out: int = 0


def folds_by_group(
    groups: Groups, labels: Flags, may_judge: Flags, count: int, seed: int
) -> list[Fold]:
    """Return folds in which each row that may judge is judged once.

    Parameters
    ----------
    groups : (n,)
        Rows of one group (an object, its position, its copies) stay together.
    labels : (n,), True for real
    may_judge : (n,), False for what only trains
    count
        Number of folds, at least 2.

    Raises
    ------
    CannotFold
        If a class has fewer groups than folds.
    """
    part = balanced_parts(groups, labels, may_judge, count, seed)
    folds = []
    for number in range(count):
        judged = may_judge & (part == number)
        free = ~np.isin(groups, np.unique(groups[judged]))
        name = f"fold {number + 1} of {count}"
        folds.append(_with_val(name, free, judged, groups, labels, may_judge, seed))
    return folds


def folds_by_time(
    nights: Groups, groups: Groups, labels: Flags, may_judge: Flags, count: int, seed: int
) -> list[Fold]:
    """Return folds that judge later nights with what was known before.

    Nights are cut into ``count + 1`` blocks of about as many rows; fold k trains on the
    first k blocks and judges the next. What is judged belongs to no object of the
    training.

    Parameters
    ----------
    nights : (n,), dates that sort as text
    groups, labels, may_judge, count, seed
        As for `folds_by_group`.

    Raises
    ------
    CannotFold
        If there are fewer nights than blocks, or a block lacks a class.
    """
    known, night_of = np.unique(nights, return_inverse=True)
    if len(known) <= count:
        raise CannotFold(
            f"{len(known)} nights make no {count} folds by time: {count + 1} are needed; "
            "ask for fewer folds or backfill more nights"
        )
    rows = np.bincount(night_of)
    middle = (np.cumsum(rows) - rows / 2) / rows.sum()
    block = np.minimum((middle * (count + 1)).astype(int), count)[night_of]
    folds = []
    for number in range(1, count + 1):
        earlier, later = block < number, may_judge & (block == number)
        seen = np.isin(groups, np.unique(groups[earlier]))
        judged = later & ~seen
        name = f"nights from {min(nights[block == number], default='-')}"
        for what, inside in (("real", judged & labels), ("bogus", judged & ~labels)):
            if not inside.any():
                raise CannotFold(
                    f"{name}: no {what} object that was not seen before; ask for fewer "
                    "folds or label more"
                )
        fold = _with_val(name, earlier, judged, groups, labels, may_judge, seed)
        folds.append(Fold(fold.name, fold.train, fold.val, fold.judged, int((later & seen).sum())))
    return folds


def balanced_parts(
    groups: Groups, labels: Flags, counted: Flags, count: int, seed: int
) -> NDArray[np.int64]:
    """Return the part (0 to ``count - 1``) of each row; groups stay together.

    Largest groups first, each to where its classes are wanted most; ties follow a hash
    of the group's name and the seed, not the order of the rows.

    Parameters
    ----------
    counted : (n,)
        Rows that are to be spread evenly; the others follow their group.

    Raises
    ------
    CannotFold
        If a class has fewer groups than parts among the rows that count.
    """
    names, member = np.unique(groups, return_inverse=True)
    by_class = np.stack(
        [
            np.bincount(member, weights=counted & mine, minlength=len(names))
            for mine in (labels, ~labels)
        ],
        axis=1,
    )
    for what, n_groups in zip(("real", "bogus"), (by_class > 0).sum(axis=0), strict=True):
        if n_groups < count:
            raise CannotFold(
                f"{n_groups} objects with {what} labels make no {count} parts: ask for "
                "fewer folds or label more"
            )
    totals = np.maximum(by_class.sum(axis=0), 1)
    drawn = [hashlib.sha256(f"{seed} {name}".encode()).digest() for name in names.tolist()]
    order = sorted(range(len(names)), key=lambda g: (-(by_class[g] / totals).max(), drawn[g]))
    filled = np.zeros((count, 2))
    part_of = np.zeros(len(names), dtype=np.int64)
    for group in order:
        share = by_class[group] / totals
        # How much the sum of squares grows: least where these classes are rare.
        part = int(np.argmin(2 * filled @ share)) if share.any() else drawn[group][0] % count
        filled[part] += share
        part_of[group] = part
    return part_of[member]


def _with_val(
    name: str,
    free: Flags,
    judged: Flags,
    groups: Groups,
    labels: Flags,
    may_judge: Flags,
    seed: int,
) -> Fold:
    """Return a fold; some of the free groups that may judge become its val rows.

    A group that only trains is of no use there.
    """
    rows = np.flatnonzero(free & np.isin(groups, np.unique(groups[may_judge])))
    part = balanced_parts(groups[rows], labels[rows], may_judge[rows], VAL_PARTS, seed + 1)
    chosen = np.zeros(len(groups), dtype=bool)
    chosen[rows[part == 0]] = True
    return Fold(
        name,
        np.flatnonzero(free & ~chosen),
        # What only trains is left out with its object.
        np.flatnonzero(chosen & may_judge),
        np.flatnonzero(judged),
    )
