"""Kernels of a pixel mapping: its nodes interpolated to one row of the grid.

A row is a cubic polynomial in each cell between two nodes, so that a position
costs three multiplications.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray


@compiled
def row_of_nodes(nodes: NDArray[np.float64], at: float, step: int) -> NDArray[np.float64]:
    """Interpolate nodes to one row: the cubic through the four nearest rows.

    Parameters
    ----------
    nodes : (k, n, m)
        Several fields on the coarse grid.
    at : pixels
        Row of the grid.
    step : pixels
        Between rows of nodes.

    Returns
    -------
    line : (k, m)
        The fields on the nodes of that row.
    """
    fields, n, m = nodes.shape
    place = at / step
    start = min(max(int(np.floor(place)) - 1, 0), n - 4)
    t = place - start
    line = np.zeros((fields, m))
    for a in range(4):
        part = 1.0
        for b in range(4):
            if b != a:
                part *= (t - b) / (a - b)
        for field in range(fields):
            for k in range(m):
                line[field, k] += part * nodes[field, start + a, k]
    return line


@compiled
def _cell(
    line: NDArray[np.float64], basis: NDArray[np.float64], cell: int
) -> tuple[float, float, float, float]:
    """Polynomial of a cell in pixels from its first node."""
    start = min(max(cell - 1, 0), len(line) - 4)
    b = basis[cell - start]
    p, q, r, s = line[start], line[start + 1], line[start + 2], line[start + 3]
    return (
        b[0, 0] * p + b[0, 1] * q + b[0, 2] * r + b[0, 3] * s,
        b[1, 0] * p + b[1, 1] * q + b[1, 2] * r + b[1, 3] * s,
        b[2, 0] * p + b[2, 1] * q + b[2, 2] * r + b[2, 3] * s,
        b[3, 0] * p + b[3, 1] * q + b[3, 2] * r + b[3, 3] * s,
    )


@compiled
def positions(
    line: NDArray[np.float64],
    basis: NDArray[np.float64],
    step: int,
    offset: float,
    whole: NDArray[np.int32],
    fraction: NDArray[np.float32],
) -> None:
    """Write whole pixel and fraction of the positions along a row.

    Parameters
    ----------
    line : (m,), pixels
        Positions on the nodes of the row.
    basis : (3, 4, 4)
        As `basis_of` returns it.
    step : pixels
        Between nodes.
    offset : pixels
        Added to the column of the grid.
    whole, fraction : (nx,), pixels
        Written.
    """
    cells = len(line) - 1
    for cell in range(cells):
        start, stop = cell * step, (cell + 1) * step
        stop = len(whole) if cell == cells - 1 else min(stop, len(whole))
        c0, c1, c2, c3 = _cell(line, basis, cell)
        # Within a cell float32 resolves 1e-5 pixel once the whole part is apart.
        base = np.floor(c0)
        a0, a1 = np.float32(c0 - base), np.float32(c1)
        a2, a3 = np.float32(c2), np.float32(c3)
        shift, begin = np.float32(offset), np.int32(base)
        for j in range(start, stop):
            t = np.float32(j - start) + shift
            at = ((a3 * t + a2) * t + a1) * t + a0
            low = np.floor(at)
            whole[j] = begin + np.int32(low)
            fraction[j] = at - low


@compiled
def smooth(
    line: NDArray[np.float64], basis: NDArray[np.float64], step: int, values: NDArray[np.float32]
) -> None:
    """Write a smooth field along a row.

    Parameters
    ----------
    line : (m,)
        The field on the nodes of the row.
    basis : (3, 4, 4)
        As `basis_of` returns it.
    step : pixels
        Between nodes.
    values : (nx,)
        Written.
    """
    cells = len(line) - 1
    for cell in range(cells):
        start, stop = cell * step, (cell + 1) * step
        stop = len(values) if cell == cells - 1 else min(stop, len(values))
        c0, c1, c2, c3 = _cell(line, basis, cell)
        a0, a1, a2, a3 = np.float32(c0), np.float32(c1), np.float32(c2), np.float32(c3)
        for j in range(start, stop):
            t = np.float32(j - start)
            values[j] = ((a3 * t + a2) * t + a1) * t + a0
