"""A mapping between pixel grids: the position of each pixel in another image.

Kept as a coarse grid of positions with cubics between them, so that a mapping of
any size costs nothing until its positions are needed. How a mapping follows from two
WCS, and how an image is resampled by it, are in `resampling`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
PointFunction = Callable[[Array, Array], tuple[Array, Array]]
"""From x, y of the grid to x, y of the image."""

GRID_STEP_PX = 32  # SIP terms of survey cameras bend by < 0.001 px within it
WIDEST_PX = 1.1
"""Samples that are further apart alias: by 3 % of a sharp star's flux at 1.4 pixels."""

SPACING_PX = 0.65
"""Largest distance of the samples averaged in a wider pixel: aliasing is then 0.1 %."""

POINTS = np.arange(4.0)


@dataclass(frozen=True)
class PixelMapping:
    """Where the pixels of a grid lie in another image.

    Positions may lie outside the image; there is nothing there.

    Attributes
    ----------
    node_x, node_y : (n, m)
        Positions in the image of every `step`-th row and column of the grid, the
        first and at least the last included; 4 or more per axis.
    step : rows, columns
        Distance between nodes.
    shape : (ny, nx)
        Shape of the grid.
    """

    node_x: Array
    node_y: Array
    step: tuple[int, int]
    shape: tuple[int, int]

    @classmethod
    def of(cls, transform: PointFunction, shape: tuple[int, int]) -> PixelMapping:
        """Make a mapping from a function.

        Parameters
        ----------
        transform
            From x, y of the grid to x, y of the image; called once, on the coarse grid.
        shape : (ny, nx)
            Shape of the grid.

        Returns
        -------
        mapping
            With a position for every 32nd pixel or so.
        """
        ny, nx = shape
        step = _step(ny), _step(nx)
        rows, columns = _nodes(ny), _nodes(nx)
        x, y = np.meshgrid(columns, rows)
        to_x, to_y = transform(x, y)
        return cls(
            np.asarray(to_x, dtype=np.float64),
            np.asarray(to_y, dtype=np.float64),
            step,
            (ny, nx),
        )

    @cached_property
    def x(self) -> Array:
        """Position x of every pixel; the whole plane is computed when first used."""
        return self._plane(self.node_x)

    @cached_property
    def y(self) -> Array:
        """Position y of every pixel; the whole plane is computed when first used."""
        return self._plane(self.node_y)

    def at(self, x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
        """Return the positions in the image of some positions of the grid.

        Parameters
        ----------
        x, y : any common shape, pixels
            Positions on the grid.

        Returns
        -------
        x, y : of that shape, pixels
            Positions in the image.
        """
        return self._between(self.node_x, x, y), self._between(self.node_y, x, y)

    def area_at(self, x: ArrayLike, y: ArrayLike) -> Array:
        """Return the image's pixels per grid pixel at some positions of the grid.

        Parameters
        ----------
        x, y : any common shape, pixels
            Positions on the grid.

        Returns
        -------
        area : of that shape
            Image pixels per grid pixel.
        """
        return self._between(self._node_area, x, y)

    def area_ratio(self) -> Array:
        """Return the image's pixels per grid pixel, of the grid's shape."""
        return self._plane(self._node_area)

    def linear(self) -> Array:
        """Return the mean Jacobian, (2, 2): rows x and y of the image."""
        return self._linear.copy()

    @cached_property
    def _linear(self) -> Array:
        ny, nx = self.shape
        rows, columns = np.arange(float(ny)), np.arange(float(nx))
        left, right = self.at(0, rows), self.at(nx - 1, rows)
        low, high = self.at(columns, 0), self.at(columns, ny - 1)
        return np.array(
            [
                [
                    np.mean(right[axis] - left[axis]) / max(nx - 1, 1),
                    np.mean(high[axis] - low[axis]) / max(ny - 1, 1),
                ]
                for axis in (0, 1)
            ],
            dtype=np.float64,
        )

    @property
    def samples(self) -> int:
        """Samples per side of a grid pixel that the image needs."""
        side = float(np.sqrt(abs(np.linalg.det(self.linear()))))
        return 1 if side <= WIDEST_PX else int(np.ceil(side / SPACING_PX))

    def moved(self, offset: PointFunction) -> PixelMapping:
        """Return the mapping with its positions moved.

        Parameters
        ----------
        offset
            From x, y of the grid to the shift in the image, along x and y, pixels; it must
            be smooth.

        Returns
        -------
        mapping
            Mapping of the same grid.
        """
        n, m = self.node_x.shape
        x, y = np.meshgrid(
            np.arange(0.0, m * self.step[1], self.step[1]),
            np.arange(0.0, n * self.step[0], self.step[0]),
        )
        dx, dy = offset(x, y)
        return PixelMapping(self.node_x + dx, self.node_y + dy, self.step, self.shape)

    def fields(self) -> Array:
        """Return x, y and the area ratio on the nodes, (3, n, m)."""
        return np.stack([self.node_x, self.node_y, self._node_area])

    @cached_property
    def _node_area(self) -> Array:
        step_y, step_x = self.step
        x_by_y, x_by_x = np.gradient(self.node_x, step_y, step_x, edge_order=2)
        y_by_y, y_by_x = np.gradient(self.node_y, step_y, step_x, edge_order=2)
        return np.abs(np.asarray(x_by_x * y_by_y - x_by_y * y_by_x, dtype=np.float64))

    def _plane(self, nodes: Array) -> Array:
        ny, nx = self.shape
        up = _matrix(np.arange(float(ny)), self.step[0], nodes.shape[0])
        across = _matrix(np.arange(float(nx)), self.step[1], nodes.shape[1])
        return up @ nodes @ across.T

    def _between(self, nodes: Array, x: ArrayLike, y: ArrayLike) -> Array:
        x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
        row, up = _weights(y, self.step[0], nodes.shape[0])
        column, across = _weights(x, self.step[1], nodes.shape[1])
        total = np.zeros(x.shape)
        for a in range(4):
            for b in range(4):
                total += up[a] * across[b] * nodes[row + a, column + b]
        return total


def basis_of(step: int) -> Array:
    """Return the matrices that turn four nodes into the polynomial of a cell.

    One matrix for each position of the cell among its nodes; row p gives the
    coefficient of the p-th power of the pixels from the cell's first node.

    Parameters
    ----------
    step : pixels
        Between nodes.

    Returns
    -------
    basis : (3, 4, 4)
        Inverse Vandermonde matrices.
    """
    points = (POINTS - np.arange(3.0)[:, None]) * step
    powers = points[:, :, None] ** np.arange(4)
    return np.asarray(np.linalg.inv(powers), dtype=np.float64)


def _step(n: int) -> int:
    cells = max(3, -(-(n - 1) // GRID_STEP_PX))
    return max(1, -(-(n - 1) // cells))


def _nodes(n: int) -> Array:
    step = _step(n)
    count = max(4, -(-(n - 1) // step) + 1)
    return np.arange(0.0, count * step, step)


def _weights(at: Array, step: int, n: int) -> tuple[NDArray[np.intp], Array]:
    """Return the first of the four nodes around positions, and the weights of all four."""
    start = np.clip(np.floor(at / step).astype(np.intp) - 1, 0, n - 4)
    t = at / step - start
    weights = [np.prod([(t - b) / (a - b) for b in range(4) if b != a], axis=0) for a in range(4)]
    return start, np.array(weights, dtype=np.float64)


def _matrix(at: Array, step: int, n: int) -> Array:
    start, weights = _weights(at, step, n)
    matrix = np.zeros((len(at), n))
    for a in range(4):
        matrix[np.arange(len(at)), start + a] = weights[a]
    return matrix
