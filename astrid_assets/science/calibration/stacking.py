"""Combining a stack of frames into their mean without outliers, pixel by pixel.

A value counts when it lies within `CLIP_SIGMA` of the median of its pixel, where
sigma follows from the median absolute deviation, but is never less than what is
typical of the stack: few frames scatter by chance less than they should, and good
values would be clipped.

Memory: the frames themselves, two frames for the result, and blocks of some rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from astrid_assets.science.arrays.robust import MAD_TO_SIGMA
from astrid_assets.science.arrays.threads import in_bands
from astrid_assets.science.calibration.stack_kernels import (
    clipped_means,
    medians_and_deviations,
)
from astrid_assets.science.errors import ShapeMismatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.science.arrays.types import Image

CLIP_SIGMA = 4.0
"""Largest distance from the median over the stack: beyond it a value is a cosmic ray, or a
star in a sky flat."""

SMALL_SAMPLES = {2: 1.196, 3: 1.495, 4: 1.363, 5: 1.206, 6: 1.200, 7: 1.140, 8: 1.129, 9: 1.107}
"""Few values have too small a median absolute deviation, by these factors; above nine
by n / (n - 0.8) (Croux & Rousseeuw 1992, Computational Statistics 1, 411)."""

BLOCK_PIXELS = 1 << 17
"""Values of a block that are processed at once: they fit a core's cache."""

SAMPLED_PIXELS = 200_000
"""Enough to measure a stack's typical deviation to half a percent."""


@dataclass(frozen=True)
class Layer:
    """One frame of a stack and how it enters: ``(image - bias - dark·t) · scale``."""

    image: Image
    scale: float = 1.0
    dark_s: float = 0.0


@dataclass(frozen=True)
class Stack:
    """A combined stack.

    Attributes
    ----------
    image : (ny, nx)
        NaN where no frame has a value.
    clipped_fraction
        Fraction of all values that was left out as outliers.
    noise
        Typical standard deviation of a pixel of `image`; NaN for a single frame.
    """

    image: Image
    clipped_fraction: float
    noise: float


def combine_stack(
    layers: Sequence[Layer], bias: Image | None = None, dark: Image | None = None
) -> Stack:
    """Average a stack without outliers: as robust as a median, with less noise.

    The order of the frames does not matter; a value that is not finite is left out.

    Parameters
    ----------
    layers
        At least one; images of one shape.
    bias : (ny, nx), electrons
        Subtracted from every layer; None: nothing is.
    dark : (ny, nx), electrons per second
        Subtracted times each layer's `dark_s`; None: nothing is.

    Returns
    -------
    stack
        The clipped mean of the layers, its noise, and the fraction clipped.

    Raises
    ------
    ShapeMismatch
        If shapes differ.
    """
    shape = layers[0].image.shape
    for image in (*(layer.image for layer in layers), bias, dark):
        if image is not None and image.shape != shape:
            raise ShapeMismatch(shape, image.shape)
    ny, nx = shape
    rows = max(1, BLOCK_PIXELS // (len(layers) * nx))
    floor = _typical_deviation(layers, bias, dark)
    clip = CLIP_SIGMA * std_of_median_deviation(len(layers))
    mean = np.empty(shape, np.float32)
    noise = np.empty(shape, np.float32)
    counts: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []

    def work(first: int, last: int) -> None:
        counted = np.zeros(2, np.int64)
        for y in range(first, last, rows):
            part = slice(y, min(y + rows, last))
            clipped_means(
                _block(layers, bias, dark, part), floor, clip, mean[part], noise[part], counted
            )
        counts.append(counted)

    in_bands(work, ny)
    valid, left_out = np.sum(counts, axis=0)
    return Stack(mean, float(left_out / valid) if valid else 0.0, _typical_noise(noise, layers))


def std_of_median_deviation(n: int) -> float:
    """Return sigma over the median absolute deviation of `n` normal values.

    Parameters
    ----------
    n
        Number of values, at least 1.

    Returns
    -------
    ratio
        1.4826 for many values, more for few.

    References
    ----------
    Croux & Rousseeuw 1992, Computational Statistics 1, 411.
    """
    return MAD_TO_SIGMA * SMALL_SAMPLES.get(n, n / (n - 0.8))


def _typical_deviation(layers: Sequence[Layer], bias: Image | None, dark: Image | None) -> float:
    """Median over some rows of the pixels' median absolute deviations."""
    ny, nx = layers[0].image.shape
    part = slice(None, None, max(1, ny * nx // SAMPLED_PIXELS))
    block = _block(layers, bias, dark, part)
    middle, scatter = np.empty_like(block[0]), np.empty_like(block[0])
    medians_and_deviations(block, middle, scatter)
    known = scatter[np.isfinite(scatter)]
    return float(np.median(known)) if known.size else 0.0


def _typical_noise(variances: Image, layers: Sequence[Layer]) -> float:
    """Typical standard deviation, from the median of the pixels' variances.

    The median, because hot pixels would dominate the mean. The median of a chi-squared
    variable with n - 1 degrees of freedom lies below its mean by a known factor.
    """
    step = max(1, variances.size // SAMPLED_PIXELS)
    some = variances.ravel()[::step]
    some = some[np.isfinite(some)]
    freedom = len(layers) - 1
    if some.size == 0 or freedom < 1:
        return float("nan")
    return float(np.sqrt(np.median(some) / (stats.chi2.median(freedom) / freedom)))


def _block(layers: Sequence[Layer], bias: Image | None, dark: Image | None, part: slice) -> Image:
    """Some rows of all frames, without bias and dark, scaled."""
    ny, nx = layers[0].image[part].shape
    block = np.empty((len(layers), ny, nx), np.float32)
    for k, layer in enumerate(layers):
        block[k] = layer.image[part]
        if bias is not None:
            block[k] -= bias[part]
        if dark is not None and layer.dark_s:
            block[k] -= dark[part] * np.float32(layer.dark_s)
        if layer.scale != 1.0:
            block[k] *= np.float32(layer.scale)
    return block
