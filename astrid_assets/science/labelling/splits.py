"""Splits: which detections train, validate and test, so that no object is in two of them.

Detections are first joined into groups (same object, same position on the sky), then
each group goes to the split its hash selects. A group keeps its split when the dataset
grows, so the test split of one version is never trained on in the next.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord, search_around_sky
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

SPLITS = ("train", "val", "test")
FRACTIONS: Mapping[str, float] = {"train": 0.7, "val": 0.15, "test": 0.15}


class TooFewGroups(ValueError):
    """A split would lack real or bogus detections, however the groups are assigned."""


def sky_groups(
    ra_deg: NDArray[np.float64], dec_deg: NDArray[np.float64], radius_arcsec: float
) -> NDArray[np.str_]:
    """Return one key per position on the sky: friends of friends within a radius.

    Unlike cells of a grid, this never separates neighbours at a cell's border.

    Parameters
    ----------
    ra_deg, dec_deg : (n,), degrees
        NaN where unknown; such a detection has the empty key.
    radius_arcsec : arcseconds
        Distance at which two are friends.

    Returns
    -------
    keys : (n,)
        Equal for detections of one group.
    """
    keys = np.full(len(ra_deg), "", dtype=f"<U{len(str(len(ra_deg)))}")
    known = np.flatnonzero(np.isfinite(ra_deg) & np.isfinite(dec_deg))
    if len(known) == 0:
        return keys
    positions = SkyCoord(ra_deg[known], dec_deg[known], unit="deg")
    first, second, _, _ = search_around_sky(positions, positions, radius_arcsec * units.arcsec)
    keys[known] = _components(len(known), first, second).astype(str)
    return keys


def connected_groups(names: Sequence[str], *keys: NDArray[np.str_]) -> NDArray[np.str_]:
    """Join all rows that share a key, directly or through other rows; name each group.

    Parameters
    ----------
    names : (n,)
        Name of each row (its detection id). A group is named after its first row: pass rows
        by time, and a group that grows keeps its name.
    *keys : (n,) each
        Object, position on the sky, night and so on; an empty key joins nothing.

    Returns
    -------
    groups : (n,)
        Name of the group of each row.
    """
    count = len(names)
    first: list[NDArray[np.int64]] = []
    second: list[NDArray[np.int64]] = []
    for key in keys:
        rows = np.flatnonzero(key != "")
        _, leader, member = np.unique(key[rows], return_index=True, return_inverse=True)
        first.append(rows)
        second.append(rows[leader[member]])
    if not first:
        return np.array(names, dtype=np.str_)
    group = _components(count, np.concatenate(first), np.concatenate(second))
    _, leader, member = np.unique(group, return_index=True, return_inverse=True)
    return np.array(names, dtype=np.str_)[leader[member]]


def assign_splits(
    group_ids: NDArray[np.str_],
    labels: NDArray[np.bool_],
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
) -> NDArray[np.str_]:
    """Return ``train``, ``val`` or ``test`` for each row, whole groups together.

    The hash of seed and group decides. Only where that leaves a split without real or
    without bogus rows, groups of that class are moved there, those first whose hash is
    lowest.

    Parameters
    ----------
    group_ids : (n,)
        Group of each row.
    labels : (n,)
        True for real.
    fractions
        Expected share of the groups per split; sums to 1.
    seed
        Part of what is hashed.

    Returns
    -------
    splits : (n,)
        One of `SPLITS` each.

    Raises
    ------
    TooFewGroups
        If there are too few groups to give each split both classes.
    ValueError
        If the fractions are not of these splits or do not sum to 1.
    """
    if set(fractions) != set(SPLITS) or not np.isclose(sum(fractions.values()), 1):
        raise ValueError(f"fractions of {SPLITS} must sum to 1, got {dict(fractions)}")
    groups, member = np.unique(group_ids, return_inverse=True)
    hashes = np.array([_unit_hash(group, seed) for group in groups.tolist()])
    bounds = np.cumsum([fractions[split] for split in SPLITS])
    # The last bound is 1 up to rounding; a hash is always below 1.
    which = np.searchsorted(bounds[:-1], hashes, side="right")
    has = np.stack(
        [np.bincount(member, weights=labels == real) > 0 for real in (False, True)]
    )  # (2, groups)
    for split in range(len(SPLITS)):
        for real in (False, True):
            _supply(which, has, hashes, split, real=real)
    _all_have_both(which, has)
    return np.array(SPLITS)[which][member]


def _supply(
    which: NDArray[np.int64],
    has: NDArray[np.bool_],
    hashes: NDArray[np.float64],
    split: int,
    *,
    real: bool,
) -> None:
    """Give `split` a group of a class it lacks, from a split that can spare one."""
    own = has[int(real)]
    if (own & (which == split)).any():
        return
    spare = [group for group in np.flatnonzero(own).tolist() if _is_spare(group, which, has)]
    if spare:
        which[min(spare, key=lambda group: hashes[group])] = split


def _is_spare(group: int, which: NDArray[np.int64], has: NDArray[np.bool_]) -> bool:
    """Return whether its split keeps both classes without this group."""
    before = which == which[group]
    after = before.copy()
    after[group] = False
    return all((row & after).any() or not (row & before).any() for row in has)


def _all_have_both(which: NDArray[np.int64], has: NDArray[np.bool_]) -> None:
    for number, split in enumerate(SPLITS):
        bogus, real = (int((row & (which == number)).sum()) for row in has)
        if not real or not bogus:
            raise TooFewGroups(
                f"the {split} split would have {real} real and {bogus} bogus groups; "
                f"there are {int(has[1].sum())} real and {int(has[0].sum())} bogus "
                "groups (objects) in all: label more different objects"
            )


def _components(
    count: int, first: NDArray[np.integer], second: NDArray[np.integer]
) -> NDArray[np.int64]:
    links = coo_array((np.ones(len(first)), (first, second)), shape=(count, count))
    return connected_components(links, directed=False)[1].astype(np.int64)


def _unit_hash(group: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}:{group}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48
