"""Kernels over the set pixels of a mask; rows without any are skipped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.compiled import compiled

Bool = NDArray[np.bool_]
Index = NDArray[np.intp]


@compiled
def widen(mask: Bool, pixels: int, out: Bool) -> None:
    """Set in `out` all pixels within a square around each set pixel of the mask.

    Parameters
    ----------
    mask : (ny, nx)
        True inside.
    pixels
        Rows and columns to either side that are set.
    out : (ny, nx)
        Changed in place; pixels that are set already stay set.
    """
    ny, nx = mask.shape
    for y in range(ny):
        # A loop without an early exit is vectorised, sixteen pixels at a time.
        any_set = 0
        for x in range(nx):
            any_set |= mask[y, x]
        if not any_set:
            continue
        top, bottom = max(y - pixels, 0), min(y + pixels + 1, ny)
        x = 0
        while x < nx:
            if not mask[y, x]:
                x += 1
                continue
            end = x + 1
            while end < nx and mask[y, end]:
                end += 1
            left, right = max(x - pixels, 0), min(end + pixels, nx)
            for row in range(top, bottom):
                out[row, left:right] = True
            x = end + 1


@compiled
def horizontal_runs(mask: Bool) -> tuple[Index, Index, Index]:
    """Find every run of set pixels within a row.

    Parameters
    ----------
    mask : (ny, nx)
        True inside.

    Returns
    -------
    row, first, end : (n_runs,)
        Pixels ``[row, first:end]``, in raster order.
    """
    ny, nx = mask.shape
    count = 0
    for y in range(ny):
        count += mask[y, 0]
        for x in range(1, nx):
            count += mask[y, x] & (not mask[y, x - 1])
    row, first, end = (
        np.empty(count, np.intp),
        np.empty(count, np.intp),
        np.empty(count, np.intp),
    )
    _fill_runs(mask, row, first, end)
    return row, first, end


@compiled
def _fill_runs(mask: Bool, row: Index, first: Index, end: Index) -> None:
    ny, nx = mask.shape
    k = 0
    for y in range(ny):
        any_set = 0
        for x in range(nx):
            any_set |= mask[y, x]
        if not any_set:
            continue
        x = 0
        while x < nx:
            if not mask[y, x]:
                x += 1
                continue
            stop = x + 1
            while stop < nx and mask[y, stop]:
                stop += 1
            row[k], first[k], end[k] = y, x, stop
            k += 1
            x = stop + 1


@compiled
def joined_runs(row: Index, first: Index, end: Index) -> tuple[Index, int]:
    """Number the patches of touching runs from 0, in the order of their first run.

    Parameters
    ----------
    row, first, end : (n_runs,)
        Runs of pixels, in raster order, as `horizontal_runs` returns them.

    Returns
    -------
    number : (n_runs,)
        Patch of each run.
    count
        Number of patches.
    """
    n = len(row)
    parent = np.arange(n)
    above = 0
    for k in range(n):
        while row[above] < row[k] - 1:
            above += 1
        j = above
        # Eight neighbours: corners touch.
        while j < k and row[j] == row[k] - 1 and first[j] <= end[k]:
            if end[j] >= first[k]:
                a, b = _root(parent, j), _root(parent, k)
                if a < b:
                    parent[b] = a
                else:
                    parent[a] = b
            j += 1
    number = np.empty(n, np.intp)
    count = 0
    for k in range(n):
        top = _root(parent, k)
        if top == k:
            number[k] = count
            count += 1
        else:
            number[k] = number[top]
    return number, count


@compiled
def _root(parent: Index, k: int) -> int:
    while parent[k] != k:
        parent[k] = parent[parent[k]]
        k = parent[k]
    return k


@compiled
def paint_runs(row: Index, first: Index, end: Index, number: Index, labels: Index) -> None:
    """Write every run's number plus 1 into an image of labels.

    Parameters
    ----------
    row, first, end, number : (n_runs,)
        Runs of pixels and the patch of each, from 0.
    labels : (ny, nx)
        Changed in place; pixels outside the runs keep their value.
    """
    for k in range(len(row)):
        labels[row[k], first[k] : end[k]] = number[k] + 1
