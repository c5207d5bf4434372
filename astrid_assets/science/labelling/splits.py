"""Splits: which detections train, validate and test, so that no object is in two of them.

Detections are first joined into groups (same object, same position on the sky, same
pixels). A group that is known keeps the side that it was given; where known groups turn
out to be one, all of it goes to the furthest side of them (train, then val, then test), so
that nothing ever leaves the test split. The side of a new group is drawn from the hash of
its name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.labelling.positions import components
from astrid_assets.science.labelling.split_names import SPLITS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray


class TooFewGroups(ValueError):
    """A split would lack real or bogus detections, however new groups are assigned.

    Parameters
    ----------
    message
        What a split would have, and what to do.
    lacking
        Which of both, real or bogus, it would lack.
    """

    def __init__(self, message: str, lacking: Collection[str]) -> None:
        super().__init__(message)
        self.lacking = lacking


@dataclass(frozen=True)
class KnownGroup:
    """A group whose side was given before."""

    name: str
    side: str


@dataclass(frozen=True)
class Merge:
    """A known group that turned out to be one with another.

    `before` and `after` are its sides; they differ where the other one was further.
    """

    group: str
    into: str
    before: str
    after: str


@dataclass(frozen=True)
class GivenSides:
    """The side of each row, and what of it is new.

    Attributes
    ----------
    group, side
        (n,) each: name of the row's group, and one of `SPLITS`.
    causes
        Per new group why it has its side, in words.
    merges
        Known groups that are now part of another.
    """

    group: NDArray[np.str_]
    side: NDArray[np.str_]
    causes: dict[str, str]
    merges: tuple[Merge, ...]


DRAWN = "drawn"
"""Cause of a side that the hash alone gave."""


def give_sides(
    names: NDArray[np.str_],
    keys: Sequence[NDArray[np.str_]],
    labels: NDArray[np.bool_],
    fractions: Mapping[str, float],
    seed: int,
    *,
    known: Sequence[KnownGroup] = (),
    links: tuple[Sequence[int], Sequence[int]] = ((), ()),
    judges: NDArray[np.bool_] | None = None,
) -> GivenSides:
    """Return the side of each row: remembered where its group is known, else drawn.

    Only where the hashes leave a split without real or without bogus rows, new groups of
    that class are moved there, those first whose hash is lowest. Known groups never move
    for that.

    Parameters
    ----------
    names : (n,)
        Name of each row, of its position or its pixels. A new group is named after the
        first of its names in the alphabet, and the hash of seed and name draws its side.
    keys : (n,) each
        Object, position on the sky, pixels and so on: rows that share one belong together,
        directly or through other rows; an empty key joins nothing.
    labels : (n,)
        True for real.
    fractions
        Expected share of the groups per split; sums to 1.
    seed
        Part of what is hashed.
    known
        Groups whose side was given before, the oldest first.
    links
        Numbers of rows, and of the known group that each of them belongs to.
    judges : (n,)
        False for rows that may only train: val and test need both classes without them.
        None: all may.

    Returns
    -------
    given
        Sides, new groups and merges.

    Raises
    ------
    TooFewGroups
        If there are too few groups to give each split both classes.
    ValueError
        If the fractions are not of these splits or do not sum to 1.
    """
    if set(fractions) != set(SPLITS) or not np.isclose(sum(fractions.values()), 1):
        raise ValueError(f"fractions of {SPLITS} must sum to 1, got {dict(fractions)}")
    part, parts = _joined(len(names), keys, len(known), links)
    count = int(part.max()) + 1 if len(part) else 0
    title: list[str] = [""] * count
    which = np.full(count, -1)
    merges: list[Merge] = []
    for number, members in _members(parts):
        target = max(members, key=lambda index: (SPLITS.index(known[index].side), -index))
        into = known[target]
        title[number], which[number] = into.name, SPLITS.index(into.side)
        merges += [
            Merge(known[index].name, into.name, known[index].side, into.side)
            for index in members
            if index != target
        ]
    is_new = which < 0
    for row in np.argsort(names, kind="stable")[::-1].tolist():
        if is_new[part[row]]:
            title[part[row]] = str(names[row])
    hashes = np.array([_unit_hash(name, seed) for name in title])
    bounds = np.cumsum([fractions[split] for split in SPLITS])
    # The last bound is 1 up to rounding; a hash is always below 1.
    which[is_new] = np.searchsorted(bounds[:-1], hashes[is_new], side="right")
    has = _classes(part, count, labels, judges)
    causes = {title[number]: DRAWN for number in np.flatnonzero(is_new).tolist()}
    for split in range(len(SPLITS)):
        for real in (False, True):
            moved = _supply(which, has, is_new, hashes, split, real=real)
            if moved is not None:
                word = "real" if real else "bogus"
                causes[title[moved]] = f"the {SPLITS[split]} split had nothing {word}"
    _all_have_both(which, has, n_known=len(known))
    return GivenSides(
        np.array(title, dtype=np.str_)[part], np.array(SPLITS)[which][part], causes, tuple(merges)
    )


def _joined(
    count: int,
    keys: Sequence[NDArray[np.str_]],
    n_known: int,
    links: tuple[Sequence[int], Sequence[int]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number the groups of rows: group of each row, and of each known group (-1: no row)."""
    first: list[NDArray[np.int64]] = [np.asarray(links[0], dtype=np.int64)]
    second: list[NDArray[np.int64]] = [np.asarray(links[1], dtype=np.int64) + count]
    for key in keys:
        rows = np.flatnonzero(key != "")
        _, leader, member = np.unique(key[rows], return_index=True, return_inverse=True)
        first.append(rows)
        second.append(rows[leader[member]])
    group = components(count + n_known, np.concatenate(first), np.concatenate(second))
    present, part = np.unique(group[:count], return_inverse=True)
    place = np.searchsorted(present, group[count:])
    is_there = np.isin(group[count:], present)
    return part.astype(np.int64), np.where(is_there, place, -1)


def _members(parts: NDArray[np.int64]) -> list[tuple[int, list[int]]]:
    """Return the known groups in each group of rows that has any."""
    members: dict[int, list[int]] = {}
    for index, number in enumerate(parts.tolist()):
        if number >= 0:
            members.setdefault(number, []).append(index)
    return sorted(members.items())


def _classes(
    part: NDArray[np.int64],
    count: int,
    labels: NDArray[np.bool_],
    judges: NDArray[np.bool_] | None,
) -> NDArray[np.bool_]:
    """Say which classes each group gives to each split: (split, class, group)."""
    can_judge = np.ones(len(labels), dtype=bool) if judges is None else judges
    return np.array(
        [
            [
                np.bincount(
                    part[(labels == real) & (can_judge | (split == "train"))], minlength=count
                )
                > 0
                for real in (False, True)
            ]
            for split in SPLITS
        ]
    )


def _supply(
    which: NDArray[np.int64],
    has: NDArray[np.bool_],
    is_new: NDArray[np.bool_],
    hashes: NDArray[np.float64],
    split: int,
    *,
    real: bool,
) -> int | None:
    """Give `split` a new group of a class it lacks, from a split that can spare one.

    `has` is (split, class, group). Returns the group that was moved.
    """
    own = has[split, int(real)]
    if (own & (which == split)).any():
        return None
    able = np.flatnonzero(own & is_new).tolist()
    spare = [group for group in able if _is_spare(group, which, has)]
    if not spare:
        return None
    moved = min(spare, key=lambda group: hashes[group])
    which[moved] = split
    return moved


def _is_spare(group: int, which: NDArray[np.int64], has: NDArray[np.bool_]) -> bool:
    """Return whether its split keeps both classes without this group."""
    before = which == which[group]
    after = before.copy()
    after[group] = False
    return all((row & after).any() or not (row & before).any() for row in has[which[group]])


def _all_have_both(which: NDArray[np.int64], has: NDArray[np.bool_], *, n_known: int) -> None:
    for number, split in enumerate(SPLITS):
        bogus, real = (int((row & (which == number)).sum()) for row in has[number])
        if not real or not bogus:
            kept = "; a side that was given once stays" if n_known else ""
            raise TooFewGroups(
                f"the {split} split would have {real} real and {bogus} bogus groups; "
                f"there are {int(has[0, 1].sum())} real and {int(has[0, 0].sum())} bogus "
                f"groups (objects) in all{kept}: label more different objects, or widen the "
                "selection",
                [kind for kind, n in (("real", real), ("bogus", bogus)) if not n],
            )


def _unit_hash(group: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
