"""The smooth elliptical profile that a PSF follows where data are few."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

BETA = 3.0
"""Moffat exponent of the first guess: between the atmosphere's 4.8 and real wings."""

PRIOR_INFORMATION = 4.0
"""A ring with a S/N below 2 mostly follows the ring inside it."""

MAX_ELLIPTICITY = 0.9


@dataclass(frozen=True)
class Profile:
    """An elliptical profile on the grid of the PSF's nodes.

    Attributes
    ----------
    stamp : (m, m)
        Unit sum for each class of nodes; zero outside the disk that the stamp holds.
    guess : (m, m)
        The Moffat function it modulates.
    radius : (m, m)
        Elliptical radius in pixels.
    """

    stamp: Array
    guess: Array
    radius: Array

    def measured(self, nodes: Array, information: Array) -> Profile:
        """Return the profile of the means of nodes on elliptical rings.

        Parameters
        ----------
        nodes : (m, m)
            Nodes of the PSF.
        information : (m, m)
            Weight of each node: its inverse variance.

        Returns
        -------
        profile
            On the same grid, with a new `stamp`.
        """
        inside = self.guess > 0
        rings = np.rint(self.radius[inside]).astype(int)
        light, guess = nodes[inside], self.guess[inside]
        weight = information[inside] * guess
        total = np.bincount(rings, weight * guess)
        found = np.bincount(rings, weight * light)
        middle = np.bincount(rings, self.radius[inside]) / np.maximum(np.bincount(rings), 1)
        ratio = np.ones(len(total))
        before = 1.0
        for ring in range(len(total)):
            ratio[ring] = max(
                (found[ring] + PRIOR_INFORMATION * before) / (total[ring] + PRIOR_INFORMATION),
                0.0,
            )
            before = ratio[ring]
        stamp = self.guess * np.interp(self.radius, middle, ratio)
        return replace(self, stamp=stamp)


def moffat(shape: Array, half: int, step: int) -> Profile:
    """Return a Moffat profile of given log FWHM (pixels) and ellipticities.

    ::

        (1 + r² / a²)^-3,   FWHM = 2 a sqrt(2^(1/3) - 1)

    Parameters
    ----------
    shape : (3,)
        Log FWHM, ellipticity along x and along the diagonal.
    half
        Half side of the stamp in nodes.
    step
        Nodes per pixel.

    Returns
    -------
    profile
        Unit sum for each class of nodes; zero outside a disk.

    References
    ----------
    Moffat 1969, A&A 3, 455.
    """
    log_fwhm, e1, e2 = shape
    size = np.hypot(e1, e2)
    if size > MAX_ELLIPTICITY:
        e1, e2 = e1 * MAX_ELLIPTICITY / size, e2 * MAX_ELLIPTICITY / size
    span = np.arange(-half, half + 1) / step
    x, y = span[None, :], span[:, None]
    # Second moments (1 + e1, 1 - e1, e2), scaled to unit determinant.
    unit = np.sqrt(1 - e1 * e1 - e2 * e2)
    squared = ((1 - e1) * x * x + (1 + e1) * y * y - 2 * e2 * x * y) / unit
    radius = np.sqrt(np.maximum(squared, 0))
    core = np.exp(log_fwhm) / 2 / np.sqrt(2 ** (1 / BETA) - 1)
    guess = (1 + squared / core**2) ** -BETA
    guess[np.hypot(x, y) > (half - step / 2) / step] = 0
    guess *= step**2 / guess.sum()
    return Profile(guess, guess, radius)
