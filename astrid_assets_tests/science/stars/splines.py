"""PSFs on a grid of spline nodes, evaluated by scipy: the oracle of the stamp kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import BSpline

if TYPE_CHECKING:
    from numpy.typing import NDArray

CUBIC = BSpline.basis_element(np.arange(-2.0, 3.0), extrapolate=False)
"""The cubic B-spline centred on 0; its total over whole numbers is 1."""


def along(
    size: int, step: int, shift: float, radius: int, derivative: int = 0
) -> NDArray[np.float64]:
    """Return a matrix from nodes to the pixels of a stamp, along one axis.

    Pixel 0 is `shift` pixels before the star's centre, which lies on the middle node.
    """
    pixels = np.arange(-radius, radius + 1)
    node = size // 2 + step * (pixels[:, None] - shift) - np.arange(size)
    spline = CUBIC.derivative(derivative) if derivative else CUBIC
    return np.nan_to_num(spline(node)) * step**derivative


def stamp(
    nodes: NDArray[np.float64], step: int, shift: tuple[float, float], radius: int
) -> NDArray[np.float64]:
    """Return the PSF of one grid of nodes on the pixels around a star's pixel."""
    size = len(nodes)
    up, across = (along(size, step, s, radius) for s in shift)
    return up @ nodes @ across.T


def gaussian_nodes(size: int, step: int, sigma_px: float) -> NDArray[np.float64]:
    """Return nodes of a smooth PSF of about unit sum: samples of a Gaussian."""
    at = (np.arange(size) - size // 2) / step
    line = np.exp(-0.5 * (at / sigma_px) ** 2)
    return np.outer(line, line) / (2 * np.pi * sigma_px**2)
