"""Connected pixels of a mask, labelled and grown; corners connect too.

Every byte of the mask is read once; the remaining cost grows with the set pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.components_kernels import (
    horizontal_runs,
    joined_runs,
    paint_runs,
    widen,
)

Bool = NDArray[np.bool_]
Labels = NDArray[np.intp]
Index = NDArray[np.intp]


@dataclass(frozen=True)
class Patches:
    """The connected patches of a mask as runs of pixels within rows.

    Attributes
    ----------
    row, first, end : (n_runs,)
        Pixels ``[row, first:end]``, in raster order.
    number : (n_runs,)
        Patch of each run, from 0, in the order of the patches' first pixels.
    count
        Number of patches.
    """

    row: Index
    first: Index
    end: Index
    number: Index
    count: int

    def pixels(self) -> tuple[Index, Index, Index]:
        """Return row, column and patch number of every pixel, in raster order."""
        length = self.end - self.first
        start = np.cumsum(length) - length
        column = np.arange(int(length.sum())) + np.repeat(self.first - start, length)
        return np.repeat(self.row, length), column, np.repeat(self.number, length)


def patches(mask: Bool) -> Patches:
    """Find the connected patches of a mask without an image of labels.

    Parameters
    ----------
    mask : (ny, nx)
        True inside; pixels that touch at a corner are connected.

    Returns
    -------
    patches
        As runs of pixels, numbered from 0.
    """
    row, first, end = horizontal_runs(np.ascontiguousarray(mask, dtype=np.bool_))
    number, count = joined_runs(row, first, end)
    return Patches(row, first, end, number, int(count))


def label(mask: Bool) -> tuple[Labels, int]:
    """Number the connected patches of a mask from 1; 0 is outside.

    Parameters
    ----------
    mask : (ny, nx)
        True inside; pixels that touch at a corner are connected.

    Returns
    -------
    labels : (ny, nx)
        Number of the patch of each pixel.
    count
        Number of patches.
    """
    found = patches(mask)
    labels = np.zeros(mask.shape, dtype=np.intp)
    paint_runs(found.row, found.first, found.end, found.number, labels)
    return labels, found.count


def grow(mask: Bool, pixels: int = 1) -> Bool:
    """Widen a mask by a number of pixels, corners included.

    Parameters
    ----------
    mask : (ny, nx)
        True inside.
    pixels
        Half side of the square by which it is dilated, minus the middle pixel; below 1
        the mask itself is returned.

    Returns
    -------
    grown : (ny, nx)
        True within `pixels` rows and columns of the mask.
    """
    if pixels < 1:
        return mask
    grown = np.zeros(mask.shape, dtype=np.bool_)
    widen(np.ascontiguousarray(mask, dtype=np.bool_), pixels, grown)
    return grown
