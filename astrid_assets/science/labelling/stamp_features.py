"""A dozen numbers of each cutout, for a classifier that costs nothing.

They say what reviewers look at: is it round, as wide as the PSF, of one sign, in both
images or in one. A network sees more; these are enough to notice labels that have nothing
to do with the pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FEATURES = (
    "peak",
    "core_over_peak",
    "second_moment",
    "elongation",
    "asymmetry",
    "opposite",
    "positive_pixels",
    "negative_pixels",
    "science_peak",
    "reference_peak",
    "science_moment",
    "noise",
)
CORE = 2
NEAR = 7
"""Half-widths in pixels of the windows about the candidate."""

SIGNIFICANT = 3.0


def stamp_features(cutouts: NDArray[np.float32]) -> Floats:
    """Return the features of cutouts.

    Parameters
    ----------
    cutouts : (n, 3, ny, nx)
        Science and reference in sigma of their sky, score or difference in sigma; the
        candidate in the middle.

    Returns
    -------
    features : (n, 12)
        In the order of `FEATURES`; sizes are logarithmic.
    """
    images = np.nan_to_num(np.asarray(cutouts, dtype=np.float64), posinf=0, neginf=0)
    score = images[:, 2]
    core, near = _window(score, CORE), _window(score, NEAR)
    centre = core[:, CORE, CORE]
    sign = np.where(centre < 0, -1.0, 1.0)[:, None, None]
    near, core = near * sign, core * sign
    peak = core.max(axis=(1, 2))
    xx, yy, xy = _moments(near)
    trace, split = xx + yy, np.hypot(xx - yy, 2 * xy)
    turned = near[:, ::-1, ::-1]
    science = _window(images[:, 0], NEAR)
    s_xx, s_yy, _ = _moments(science)
    noise = np.median(np.abs(score), axis=(1, 2))
    columns = (
        _log(peak),
        core.mean(axis=(1, 2)) / np.maximum(peak, 1),
        np.sqrt(np.maximum(trace, 0)),
        split / np.maximum(trace, 1e-3),
        np.abs(near - turned).sum(axis=(1, 2)) / np.maximum(np.abs(near).sum(axis=(1, 2)), 1e-3),
        near.min(axis=(1, 2)) / np.maximum(peak, 1),
        np.log1p((near > SIGNIFICANT).sum(axis=(1, 2))),
        np.log1p((near < -SIGNIFICANT).sum(axis=(1, 2))),
        _log(_window(images[:, 0], CORE).max(axis=(1, 2))),
        _log(_window(images[:, 1], CORE).max(axis=(1, 2))),
        np.sqrt(np.maximum(s_xx + s_yy, 0)),
        _log(noise),
    )
    return np.column_stack(columns)


def _window(images: Floats, half: int) -> Floats:
    y, x = images.shape[1] // 2, images.shape[2] // 2
    return images[:, y - half : y + half + 1, x - half : x + half + 1]


def _moments(window: Floats) -> tuple[Floats, Floats, Floats]:
    """Return second moments of what is significantly bright, in square pixels."""
    half = window.shape[1] // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    weight = np.where(window > SIGNIFICANT, window, 0)
    total = np.maximum(weight.sum(axis=(1, 2)), 1e-3)
    mean_x = (weight * x).sum(axis=(1, 2)) / total
    mean_y = (weight * y).sum(axis=(1, 2)) / total
    xx = (weight * x**2).sum(axis=(1, 2)) / total - mean_x**2
    yy = (weight * y**2).sum(axis=(1, 2)) / total - mean_y**2
    xy = (weight * x * y).sum(axis=(1, 2)) / total - mean_x * mean_y
    return xx, yy, xy


def _log(values: Floats) -> Floats:
    return np.arcsinh(values)
