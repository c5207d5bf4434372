"""PSFs that change over the frame: basis images times polynomials in position.

A PSF at (x, y) is ``sum_k terms_k(x, y) * stamps[k]`` with the terms 1, u, v, u², uv,
v², u³ …, u and v running from -1 to 1 over the frame. As many terms are taken as both
PSFs of a pair need. How a PSF is measured is not decided here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from astrid_assets.science.arrays.types import Image

Positions: TypeAlias = NDArray[np.float64]

PsfsAt: TypeAlias = "Callable[[Positions, Positions], Stamps]"
"""Stamps (n, s, s), unit sum, centred on their middle, at positions x, y (n,)."""

Stamps: TypeAlias = NDArray[np.float32]
"""(k, n, n): the first is the PSF in the middle, the others change it."""

POWERS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3))
COUNTS = (1, 3, 6, 10)
SAMPLES = 5  # positions per axis at which PSFs are sampled


def local_psfs(
    science_at: PsfsAt, reference_at: PsfsAt, shape: tuple[int, int], tolerance: float
) -> tuple[Stamps, Stamps, float]:
    """Describe both PSFs with the fewest terms that suffice for both.

    Parameters
    ----------
    science_at, reference_at
        Functions that return stamps (n, s, s) at positions x, y (n,) of the science frame.
    shape
        Shape of the science frame, (ny, nx) pixels.
    tolerance
        Largest error of a PSF anywhere, relative (rms).

    Returns
    -------
    science, reference : (k, n, n)
        Equally many stamps.
    error
        What is left, relative (rms): above `tolerance` when even cubic terms do not
        suffice.
    """
    ny, nx = shape
    y, x = np.meshgrid(
        np.linspace(0, ny - 1, SAMPLES), np.linspace(0, nx - 1, SAMPLES), indexing="ij"
    )
    x, y = x.ravel(), y.ravel()
    science, reference = science_at(x, y), reference_at(x, y)
    best = _fit(science, reference, terms(x, y, shape, COUNTS[0]))
    for count in COUNTS[1:]:
        if best[2] <= tolerance:
            break
        best = _fit(science, reference, terms(x, y, shape, count))
    return best


def terms(x: ArrayLike, y: ArrayLike, shape: tuple[int, int], count: int) -> NDArray[np.float64]:
    """Return the terms at positions.

    Parameters
    ----------
    x, y : (n,), pixels
        Positions on the frame.
    shape
        Shape of the frame, (ny, nx).
    count
        How many terms: 1, 3, 6 or 10.

    Returns
    -------
    terms : (n, count)
        1, u, v, u², uv, v² … at each position.
    """
    along_x, along_y = axis_terms(np.asarray(x), np.asarray(y), shape, count)
    return along_x * along_y


def axis_terms(
    x: NDArray[np.floating], y: NDArray[np.floating], shape: tuple[int, int], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the factors of the terms along x and along y.

    Parameters
    ----------
    x, y : (n,) and (m,), pixels
        Columns and rows, or positions.
    shape
        Shape of the frame, (ny, nx).
    count
        How many terms: 1, 3, 6 or 10.

    Returns
    -------
    along_x, along_y : (n, count) and (m, count)
        Powers of u and of v; a term is the product of both.
    """
    ny, nx = shape
    u, v = 2 * x / max(nx - 1, 1) - 1, 2 * y / max(ny - 1, 1) - 1
    powers = np.array(POWERS[:count])
    return u[:, None] ** powers[:, 0], v[:, None] ** powers[:, 1]


def at(stamps: Stamps, x: float, y: float, shape: tuple[int, int]) -> Image:
    """Return the PSF at a position.

    Parameters
    ----------
    stamps : (k, n, n)
        Terms of the PSF.
    x, y : pixels
        Position on the frame.
    shape
        Shape of the frame, (ny, nx).

    Returns
    -------
    psf : (n, n)
        With the sum of the sampled PSFs, 1.
    """
    weights = terms([x], [y], shape, len(stamps))[0]
    return np.tensordot(weights, stamps, axes=1).astype(np.float32)


def fitted(sampled: NDArray[np.floating], design: NDArray[np.float64]) -> tuple[Stamps, float]:
    """Describe PSFs sampled at some positions by terms, by least squares.

    Parameters
    ----------
    sampled : (positions, n, n)
        PSF stamps.
    design : (positions, k)
        The `terms` at these positions.

    Returns
    -------
    stamps : (k, n, n)
        Coefficients of the terms, pixel by pixel.
    error
        Largest error of any sampled stamp, relative (rms).
    """
    flat = sampled.reshape(len(sampled), -1).astype(np.float64)
    solution = np.linalg.lstsq(design, flat, rcond=None)[0]
    scale = np.sqrt((flat**2).sum(axis=1))
    left = np.sqrt(((flat - design @ solution) ** 2).sum(axis=1)) / scale
    stamps = solution.reshape(-1, *sampled.shape[1:]).astype(np.float32)
    return stamps, float(left.max())


def _fit(
    science: NDArray[np.floating], reference: NDArray[np.floating], design: NDArray[np.float64]
) -> tuple[Stamps, Stamps, float]:
    (of_science, science_error), (of_reference, reference_error) = (
        fitted(science, design),
        fitted(reference, design),
    )
    return of_science, of_reference, max(science_error, reference_error)
