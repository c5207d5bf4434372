"""Which labels are probably wrong: confident learning on out-of-fold probabilities.

A classifier that has not seen a row says how probable each class is for it. Where it is
surest of a class, hardly any row is of the other one, so the share of other labels there
is the share of wrong labels. That many of the least probable labels are named suspects.

References
----------
Northcutt, Jiang & Chuang 2021, J. Artif. Intell. Res. 70, 1373: rows are pruned by the
estimated noise of each class, the least probable first. The noise is counted among the
surest half of a class rather than above its mean probability: there the overlap of the
classes would count as noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

SUREST = 0.5
"""Share of a class's rows, those the classifier is surest of, among which wrong labels are
counted."""

FOLDS = 5
RIDGE = 1.0
"""Penalty on the coefficients of standardised features."""

ITERATIONS = 25
LIMIT_SIGMA = 5.0
"""Standardised features are limited to it: one strange cutout must not bend the fit."""


@dataclass(frozen=True)
class Suspects:
    """What out-of-fold probabilities show about the labels.

    Attributes
    ----------
    rows
        (k,), rows whose label is probably wrong, the least probable first.
    noise
        Estimated share of wrong labels, 0 to 1.
    missed, invented
        Share of the truly real that is labelled bogus, and the reverse. Labels that have
        nothing to do with the pixels sum up to 1, whatever the mix of classes.
    """

    rows: NDArray[np.int64]
    noise: float
    missed: float
    invented: float


def suspect_labels(probabilities: Floats, labels: Flags) -> Suspects:
    """Return which labels are probably wrong, and how many.

    Parameters
    ----------
    probabilities : (n,)
        Probability of being real, each by a model that was not trained on the row; they need not be
        calibrated.
    labels : (n,)
        True for real.

    Returns
    -------
    suspects
        Nothing where a class is absent.

    Raises
    ------
    ValueError
        If the two differ in length or a probability lies outside 0 to 1.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    labels = np.asarray(labels, dtype=bool)
    if probabilities.shape != labels.shape:
        raise ValueError(f"{len(probabilities)} probabilities for {len(labels)} labels")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("probabilities lie between 0 and 1")
    if labels.all() or not labels.any():
        return Suspects(np.empty(0, dtype=np.int64), 0.0, 0.0, 0.0)
    # Wrong among rows that surely are real, and among those that surely are bogus.
    order = np.argsort(probabilities, kind="stable")
    n_real = int(labels.sum())
    n_bogus = len(labels) - n_real
    missed = float((~labels[order[-max(round(n_real * SUREST), 1) :]]).mean())
    invented = float(labels[order[: max(round(n_bogus * SUREST), 1)]].mean())
    separated = 1 - missed - invented
    truly_real = float(n_real)
    if separated > 0:
        truly_real = min(max((n_real - invented * len(labels)) / separated, 0), len(labels))
    wrong = {False: missed * truly_real, True: invented * (len(labels) - truly_real)}
    own = np.where(labels, probabilities, 1 - probabilities)
    chosen: list[NDArray[np.int64]] = []
    for label, expected in wrong.items():
        rows = np.flatnonzero(labels == label)
        count = min(round(expected), len(rows))
        chosen.append(rows[np.argsort(own[rows], kind="stable")[:count]])
    suspects = np.concatenate(chosen)
    return Suspects(
        suspects[np.argsort(own[suspects], kind="stable")],
        min(sum(wrong.values()) / len(labels), 0.5),
        missed,
        invented,
    )


def out_of_fold(
    features: Floats, labels: Flags, groups: NDArray[np.str_], seed: int = 0
) -> Floats | None:
    """Return probabilities of being real by a cheap classifier that did not see the row.

    A logistic regression on features and their products, one fit per fold; folds are
    whole groups, and both classes count the same. It notices labels that have nothing to
    do with the pixels; single wrong ones are found better by a network.

    Parameters
    ----------
    features : (n, k)
        Features of each cutout; not finite counts as the median.
    labels : (n,)
        True for real.
    groups : (n,)
        Rows of one group are never on both sides of a fold.
    seed
        Seed of the folds.

    Returns
    -------
    probabilities : (n,)
        None where a fold would have to do without one of the classes.
    """
    names, member = np.unique(groups, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(len(names))[member] % FOLDS
    design = _design(features)
    probabilities = np.empty(len(labels))
    for number in range(FOLDS):
        inside = fold == number
        if labels[~inside].all() or not labels[~inside].any():
            return None
        coefficients = _fit(design[~inside], labels[~inside])
        probabilities[inside] = expit(design[inside] @ coefficients)
    return probabilities


def _design(features: Floats) -> Floats:
    """Return a constant, the standardised features and their products."""
    finite = np.where(np.isfinite(features), features, np.nan)
    with np.errstate(invalid="ignore"):
        low, middle, high = np.nanpercentile(finite, [16, 50, 84], axis=0)
    filled = np.where(np.isfinite(finite), finite, middle)
    scale = np.where(high > low, (high - low) / 2, 1.0)
    z = np.clip((filled - middle) / scale, -LIMIT_SIGMA, LIMIT_SIGMA)
    first, second = np.triu_indices(z.shape[1])
    products = z[:, first] * z[:, second]
    spread = products.std(axis=0)
    products = (products - products.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return np.column_stack([np.ones(len(z)), z, products])


def _fit(design: Floats, labels: Flags) -> Floats:
    """Return coefficients of the logistic regression, by Newton's method."""
    weight = np.where(labels, 0.5 / labels.mean(), 0.5 / (~labels).mean())
    penalty = np.full(design.shape[1], RIDGE)
    penalty[0] = 1e-6
    coefficients = np.zeros(design.shape[1])
    for _ in range(ITERATIONS):
        p = expit(design @ coefficients)
        slope = design.T @ (weight * (labels - p)) - penalty * coefficients
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, slope)
        coefficients += step
        if np.abs(step).max() < 1e-6:
            break
    return coefficients
