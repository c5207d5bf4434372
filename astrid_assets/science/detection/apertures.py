"""Aperture fluxes of candidates: fluxes that hardly depend on the PSF.

A candidate of the PSF's shape has the same flux in both. Where they disagree by more
than their errors the candidate is wider than the PSF, trailed or blended, or the PSF is
wrong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

RADIUS_FWHM = 1.5  # holds all but 0.2 % of a Gaussian
MIN_SHARE = 0.5  # of a point source's light that usable pixels must hold


def aperture_fluxes(
    data: Values,
    model: Values,
    usable: NDArray[np.bool_],
    distance_px: Values,
    noise: Values,
    fwhm_px: float,
) -> tuple[Values, Values]:
    """Return the flux within a circle around each candidate, and its error.

    The sum over the circle is divided by the fraction of a point source's light on the same
    pixels: neither masked pixels nor the finite circle bias the flux of a point source.

    Parameters
    ----------
    data : (n, s, s), electrons
        Squares of the difference image.
    model : (n, s, s)
        A point source there, of unit sum.
    usable : (n, s, s)
        True where a pixel counts.
    distance_px : (n, s, s), pixels
        Distance from the candidate's position.
    noise : (n, s, s), electrons per pixel
        Noise of the difference image.
    fwhm_px : pixels
        FWHM of the point source; the circle has a radius of `RADIUS_FWHM` times it, and a pixel
        on its rim counts with the fraction that lies within.

    Returns
    -------
    flux, flux_err : (n,), electrons
        NaN where usable pixels hold less than half of a point source's light.
    """
    inside = np.clip(RADIUS_FWHM * fwhm_px + 0.5 - distance_px, 0, 1)
    weight = np.where(usable, inside, 0)
    share = (weight * model).sum(axis=(1, 2))
    share = np.where(share < MIN_SHARE, np.nan, share)
    flux = (weight * data).sum(axis=(1, 2)) / share
    return flux, np.sqrt(((weight * noise) ** 2).sum(axis=(1, 2))) / share
