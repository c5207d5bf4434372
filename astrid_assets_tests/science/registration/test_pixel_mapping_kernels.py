"""A mapping's nodes interpolated to rows against scipy's interpolating polynomials."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.interpolate import KroghInterpolator

from astrid_assets.science.registration.pixel_mapping_kernels import (
    positions,
    row_of_nodes,
    smooth,
)

STEP, N_NODES = 8, 7


def cubic(nodes: np.ndarray, at: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Interpolate a line of nodes by the cubic through the four around each cell."""
    first = np.clip(cell - 1, 0, N_NODES - 4)
    return np.array(
        [
            KroghInterpolator(np.arange(4), nodes[k : k + 4])(place / STEP - k)
            for k, place in zip(first, at, strict=True)
        ]
    )


def cells_of(nx: int) -> np.ndarray:
    return np.minimum(np.arange(nx) // STEP, N_NODES - 2)


def cell_polynomials() -> np.ndarray:
    """Coefficients, by power of the pixels, of the cubics that are 1 at one node."""
    return np.array(
        [
            np.transpose(
                [
                    np.polynomial.polynomial.polyfit((np.arange(4) - cell) * STEP, one, 3)
                    for one in np.eye(4)
                ]
            )
            for cell in range(3)
        ]
    )


@pytest.mark.parametrize("at", [0.0, 3.0, 21.5, 40.0, 47.9, -0.5, 48.5])
def test_row_of_nodes_is_the_cubic_through_four_rows(rng, at):
    nodes = rng.normal(0, 10, (2, N_NODES, 5))
    found = row_of_nodes(nodes, at, STEP)
    cell, place = np.array([int(np.floor(at / STEP))]), np.array([at])
    expected = [[cubic(field[:, column], place, cell)[0] for column in range(5)] for field in nodes]
    assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("nx", [45, 49, 52])
@pytest.mark.parametrize("offset", [0.0, 0.25])
def test_positions_are_the_cubic_split_into_pixel_and_fraction(rng, nx, offset):
    line = 3000 + 8.3 * np.arange(N_NODES) + rng.normal(0, 0.3, N_NODES)
    line[0] = -3.3  # negative positions round down too
    whole, fraction = np.zeros(nx, np.int32), np.zeros(nx, np.float32)
    positions(line, cell_polynomials(), STEP, offset, whole, fraction)
    expected = cubic(line, np.arange(nx) + offset, cells_of(nx))
    assert_allclose(whole + fraction.astype(float), expected, atol=1e-3)
    assert ((fraction >= 0) & (fraction <= 1)).all()


@pytest.mark.parametrize("nx", [45, 49, 52])
def test_smooth_is_the_cubic_at_every_pixel(rng, nx):
    line = 1 + rng.normal(0, 0.1, N_NODES)
    values = np.zeros(nx, np.float32)
    smooth(line, cell_polynomials(), STEP, values)
    assert_allclose(values, cubic(line, np.arange(nx), cells_of(nx)), rtol=1e-4)
