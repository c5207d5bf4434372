"""Structure of the sky that is wider than the PSF: an error of every flux.

Fringes, flat fields that changed, scattered light and sky that was interpolated between
crowded stars leave patches in a difference which no mesh follows without taking light
from sources. A matched filter's noise does not correlate beyond the reach of the PSF;
what does is structure, and it adds to the variance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.threads import in_bands
from astrid_assets.science.differencing import sky_kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image

LAG_FWHM = 3.0  # the noise's own correlation is 1 % there
CLIP_SIGMA = 4.0  # rarer values are sources
MIN_SHARE = 0.05  # of the variance; less moves no score by 3 %
MIN_PAIRS = 1000  # determine a correlation to 0.1 at the worst


def structure_share(
    flux: Image, variance: Image, blank: NDArray[np.bool_], fwhm_px: float
) -> float:
    """Return the variance of patches over that of noise; 0 where it does not matter.

    The covariance of fluxes at three and six FWHM, along both axes, extrapolated to zero
    distance by a straight line.

    Parameters
    ----------
    flux, variance : (ny, nx), electrons and electrons squared
        Flux of the matched filter, and its variance.
    blank : (ny, nx)
        Pixels of the sky.
    fwhm_px : pixels
        FWHM of the science PSF.

    Returns
    -------
    share
        Dimensionless; 0 below `MIN_SHARE`.
    """
    scores = np.empty(flux.shape, dtype=np.float32)
    in_bands(
        lambda a, b: sky_kernels.blank_scores(flux, variance, blank, CLIP_SIGMA, scores, a, b),
        len(scores),
    )
    lag = int(np.ceil(LAG_FWHM * fwhm_px))
    near, far = _covariance(scores, lag), _covariance(scores, 2 * lag)
    share = near if far is None or near is None else 2 * near - far
    return share if share is not None and share >= MIN_SHARE else 0.0


def _covariance(scores: Image, lag: int) -> float | None:
    """Return the mean product of scores `lag` apart, along both axes; 0 is no score."""
    totals = np.empty(len(scores))
    pairs = np.empty(len(scores), dtype=np.int64)
    in_bands(
        lambda a, b: sky_kernels.lagged_products(scores, lag, totals, pairs, a, b),
        len(scores),
    )
    count = int(pairs.sum())
    return float(totals.sum()) / count if count >= MIN_PAIRS else None
