"""A labelled set in columns: what is known of each cutout, and of its reviewers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.distributions import largest_distance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class LabelledSet:
    """What is known of each cutout of a dataset; every array has shape ``(n,)``.

    A column that is None was not measured: what it would show is reported as unknown.

    Attributes
    ----------
    is_real
        The label.
    agreement
        Share of the votes that agree with it, 0.5 to 1; NaN without any vote.
    n_votes
        Votes behind the label: one vote cannot disagree. None: every agreement counts.
    image_quality
        Quality of the cutout, 0 to 1; NaN where unknown.
    source
        Who decided: person, truth, catalogue, import, survey_score or unreviewed.
    survey, night
        Survey and night of its frame.
    content_hash
        Hash of the cutout's pixels; the same pixels with two labels are a contradiction.
    duplicate
        Key of its group of near-duplicates; empty where it has none.
    judges
        False for a row that may only train. None: all may judge.
    weight
        What it counts in training, relative to others.
    split
        train, val or test.
    snr
        Signal to noise.
    probability
        Probability of being real, by a classifier that did not see the row.
    """

    is_real: NDArray[np.bool_]
    agreement: NDArray[np.float64]
    image_quality: NDArray[np.float64]
    source: NDArray[np.str_]
    survey: NDArray[np.str_]
    night: NDArray[np.str_]
    content_hash: NDArray[np.str_]
    n_votes: NDArray[np.int64] | None = None
    duplicate: NDArray[np.str_] | None = None
    judges: NDArray[np.bool_] | None = None
    weight: NDArray[np.float64] | None = None
    split: NDArray[np.str_] | None = None
    snr: NDArray[np.float64] | None = None
    probability: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        sizes = {name: len(values) for name, values in vars(self).items() if values is not None}
        if len(set(sizes.values())) != 1:
            raise ValueError(f"the columns differ in length: {sizes}")

    def __len__(self) -> int:
        """Count the cutouts."""
        return len(self.is_real)

    @property
    def mix(self) -> float:
        """Share of real as they count in training; NaN for an empty set."""
        weight = np.ones(len(self)) if self.weight is None else self.weight
        if self.weight is not None and self.split is not None:
            weight = np.where(self.split == "train", weight, 0.0)
        total = float(weight.sum())
        if total <= 0:
            return float("nan")
        # A mix that weights brought to a limit is within it however the sums come out.
        return round(float(weight[self.is_real].sum()) / total, 9)


@dataclass(frozen=True, kw_only=True)
class ReviewEvidence:
    """How reviewers of these surveys compare with each other, themselves and the truth.

    Attributes
    ----------
    doubly_reviewed
        Detections with votes of at least two reviewers.
    kappa
        Fleiss' kappa on these; None where chance agreement is complete.
    noise
        Share of wrong labels that their disagreement implies, at least.
    repeats, gold
        (kept or right, all): one's own candidates shown again, and candidates whose label
        is known.
    """

    doubly_reviewed: int = 0
    kappa: float | None = None
    noise: float | None = None
    repeats: tuple[int, int] = (0, 0)
    gold: tuple[int, int] = (0, 0)


def drift_between(now: LabelledSet, before: LabelledSet) -> Mapping[str, float]:
    """Return how far the mix of a version is from that of an earlier one.

    Parameters
    ----------
    now, before
        Both versions.

    Returns
    -------
    drift
        0 (the same) to 1 (nothing in common): difference of the real share, largest
        distance of the distributions of S/N (Kolmogorov-Smirnov), and half the summed
        differences of the shares of surveys and of sources.
    """
    found = {"anomaly_ratio": abs(float(now.is_real.mean()) - float(before.is_real.mean()))}
    for name in ("survey", "source"):
        shares = [_shares(getattr(one, name)) for one in (now, before)]
        names = shares[0].keys() | shares[1].keys()
        found[name] = sum(abs(shares[0].get(n, 0) - shares[1].get(n, 0)) for n in names) / 2
    if now.snr is not None and before.snr is not None:
        found["snr"] = largest_distance(np.abs(now.snr), np.abs(before.snr))
    return found


def _shares(values: NDArray[np.str_]) -> dict[str, float]:
    names, counts = np.unique(values, return_counts=True)
    return dict(zip(names.tolist(), (counts / len(values)).tolist(), strict=True))
