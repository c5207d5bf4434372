"""Whether a challenger that is better on average fails on some part of the sky.

With many slices one always looks worse. So each interval is as wide as their number asks for
(Bonferroni), and a slice blocks only when all of it lies beyond the tolerated loss.

References
----------
Agresti & Min 2005, Stat. Med. 24, 729 (difference of paired shares: half a row is added to
each cell); Rao & Scott 1992, Biometrics 48, 577 (rows of one object count as fewer).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from astrid_assets.learning.metrics.intervals import CONFIDENCE, Interval, members_of
from astrid_assets.learning.slices import SNR_EDGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Groups = NDArray[np.str_]


@dataclass(frozen=True)
class SliceGain:
    """Share of a slice that is called right, challenger minus champion.

    Attributes
    ----------
    gain
        Its interval is corrected for the number of slices.
    blocks
        Whether all of the interval lies beyond the tolerated loss.
    """

    by: str
    name: str
    n_real: int
    n_bogus: int
    gain: Interval
    blocks: bool


def slice_gains(
    right: Flags,
    right_before: Flags,
    labels: Flags,
    groups: Groups | None,
    slices: Mapping[str, Mapping[str, Flags]],
    *,
    min_rows: int,
    max_loss: float,
) -> list[SliceGain]:
    """Compare two models slice by slice.

    Parameters
    ----------
    right, right_before : (n,)
        Whether the challenger, and the champion, call a row what it is.
    labels : (n,), True for real
    groups : (n,)
    slices
        Per property, per value of it, the rows that have it, (n,).
    min_rows
        Smaller slices are left out.
    max_loss
        Tolerated loss, as a share.
    """
    large = [
        (by, name, inside)
        for by, parts in slices.items()
        for name, inside in parts.items()
        if inside.sum() >= min_rows
    ]
    z = float(ndtri(1 - (1 - CONFIDENCE) / 2 / max(len(large), 1)))
    found = []
    for by, name, inside in large:
        own = None if groups is None else groups[inside]
        gain = paired_share_gain(right[inside], right_before[inside], own, z)
        n_real = int(labels[inside].sum())
        found.append(
            SliceGain(
                by, name, n_real, int(inside.sum()) - n_real, gain, bool(gain.high < -max_loss)
            )
        )
    return found


def paired_share_gain(right: Flags, before: Flags, groups: Groups | None, z: float) -> Interval:
    """Return the gain in the share of rows called right, with its interval.

    Parameters
    ----------
    right, before : (n,)
    groups : (n,)
    z
        Standard errors to either side.
    """
    difference = right.astype(np.float64) - before
    n = len(difference)
    gained, lost = int((difference > 0).sum()), int((difference < 0).sum())
    value = float(difference.mean())
    centre = (gained - lost) / (n + 2)
    variance = ((gained + lost + 1) / (n + 2) - centre**2) / (n + 2)
    variance *= _crowding(difference, groups)
    half = z * variance**0.5
    low, high = max(centre - half, -1.0), min(centre + half, 1.0)
    return Interval(value, min(value, low), max(value, high))


def _crowding(difference: Numbers, groups: Groups | None) -> float:
    """Return by how much rows of one object scatter more together than apart, at least 1."""
    member = members_of(len(difference), groups)
    off = difference - difference.mean()
    apart = float((off**2).sum())
    together = float((np.bincount(member, weights=off) ** 2).sum())
    return max(together / apart, 1.0) if apart else 1.0


def rows_of_slices(
    labels: Flags, snr: Numbers, by: Mapping[str, Groups]
) -> dict[str, dict[str, Flags]]:
    """Return the slices by label, S/N and its sign, and each given property.

    Parameters
    ----------
    labels : (n,), True for real
    snr : (n,), signed
    by
        Per name (``survey``, ``class``) the value of each row; an empty value is no slice.
    """
    size = np.abs(snr)
    found = {
        "label": {"real": labels, "bogus": ~labels},
        "sign": {"positive": snr >= 0, "negative": snr < 0},
        "snr": {
            f"{low:g}-{high:g}": (size >= low) & (size < high) for low, high in pairwise(SNR_EDGES)
        },
    }
    for name, values in by.items():
        found[name] = {str(value): values == value for value in np.unique(values) if value}
    return found
