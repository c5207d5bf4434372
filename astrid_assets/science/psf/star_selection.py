"""The choice of PSF stars, and of the polynomial order of the PSF's variation.

The fit itself is in `fitting`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.robust import MAD_TO_SIGMA
from astrid_assets.science.errors import TooFewStars
from astrid_assets.science.frame import polynomials
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.stars.measurement import StarFlag, select
from astrid_assets.science.stars.shapes import measure_star_shapes

if TYPE_CHECKING:
    from astrid_assets.science.frame import Frame
    from astrid_assets.science.stars.star_list import Stars

Array = NDArray[np.float64]

MIN_PSF_STARS = 3
MAX_PSF_STARS = 200
"""Only the brightest are used; with 200 the PSF is known to some 1e-3 of its peak."""

MIN_SNR = 20.0
"""A star below it adds a centroid error of a twentieth of the FWHM."""

ENOUGH_PSF_STARS = 8
LOW_SNR = 8.0
"""Accepted only when there are fewer than `ENOUGH_PSF_STARS` better ones."""

STARS_PER_ORDER = {1: 0, 3: 12, 6: 30, 10: 100}
"""Polynomial terms and the stars they need: some four per term, more for a cubic, which
swings at the edges of the frame."""

MIN_GAIN = 0.03
"""Share by which a higher order must predict left-out shapes better."""

MAX_BEND = 0.004
"""Largest bend accepted, as a fraction of the peak: a width that grows linearly by a share d
towards the border bends the pixels of the PSF, which go with its inverse square, by 2 d^2."""

OUTLIER_MAD = 5.0
ROBUST_ROUNDS = 8
LEAST_SCATTER = 0.003
"""Scatter of log size and ellipticities: smaller differences do not matter."""


def choose_psf_stars(stars: Stars) -> Stars:
    """Select the best stars: unflagged and of high S/N, at most `MAX_PSF_STARS`.

    Parameters
    ----------
    stars
        Stars of one frame, with flags.

    Returns
    -------
    chosen
        Brightest first; in crowded fields blends are accepted too.

    Raises
    ------
    TooFewStars
        If fewer than `MIN_PSF_STARS` are left.
    """
    snr = stars.flux / np.maximum(stars.flux_err, 1e-9)
    clean = stars.flag == 0
    # In crowded fields nearly every star has neighbours: take the lesser blends.
    nearly = (stars.flag & ~StarFlag.BLENDED) == 0
    tiers = (
        (clean & (snr > MIN_SNR), ENOUGH_PSF_STARS),
        (clean & (snr > LOW_SNR), MIN_PSF_STARS),
        (nearly & (snr > MIN_SNR), MIN_PSF_STARS),
        (nearly & (snr > LOW_SNR), MIN_PSF_STARS),
    )
    for which, needed in tiers:
        if np.count_nonzero(which) >= needed:
            chosen = select(stars, which)
            order = np.argsort(-chosen.flux, kind="stable")[:MAX_PSF_STARS]
            return select(chosen, order)
    raise TooFewStars("PSF", int(np.count_nonzero(nearly & (snr > LOW_SNR))), MIN_PSF_STARS)


def shapes_of(frame: Frame, stars: Stars, fwhm_px: float) -> Array:
    """Return log size and both ellipticities of each star.

    Parameters
    ----------
    frame
        Sky-subtracted.
    stars
        A list of n stars of the frame.
    fwhm_px : pixels
        Size from which the measurement starts.

    Returns
    -------
    shapes : (n, 3)
        Log FWHM (pixels), ellipticity along x and along the diagonal; NaN if dark.
    """
    usable = ((frame.mask & UNUSABLE) == 0) & np.isfinite(frame.data)
    found = measure_star_shapes(frame.data, usable, stars.x, stars.y, fwhm_px)
    squared = found.elongation**2
    ellipticity = (squared - 1) / (squared + 1)
    return np.column_stack(
        [
            np.log(np.maximum(found.fwhm_px, 1e-3)),
            ellipticity * np.cos(2 * found.angle_rad),
            ellipticity * np.sin(2 * found.angle_rad),
        ]
    )


def number_of_terms(
    shapes: Array, errors: Array, frame_shape: tuple[int, int], x: Array, y: Array
) -> tuple[int, NDArray[np.bool_]]:
    """Choose the order of the polynomial, 1, 3, 6 or 10 terms, and the usual stars.

    Each order predicts the shape of every star from all others; a higher one is
    chosen when its prediction is better by more than `MIN_GAIN`.

    Parameters
    ----------
    shapes : (n, 3)
        Log size and ellipticities.
    errors : (n,)
        Errors of the shapes.
    frame_shape : (ny, nx)
        Shape of the frame.
    x, y : (n,), pixels
        Positions of the stars.

    Returns
    -------
    count
        Number of terms.
    usual : (n,)
        True for stars whose shapes follow the trend: galaxies and blends do not.

    References
    ----------
    Allen 1974, Technometrics 16, 125: the prediction sum of squares.
    """
    usual: NDArray[np.bool_] = np.asarray(np.isfinite(shapes).all(axis=1))
    seen, terms = shapes[usual], polynomials(x[usual], y[usual], frame_shape, 10)
    allowed = [k for k, needed in STARS_PER_ORDER.items() if len(seen) >= needed]
    if len(seen) < MIN_PSF_STARS:
        return 1, usual
    kept, scatter = _usual(seen, errors[usual], terms[:, : min(allowed[-1], 6)])
    if np.count_nonzero(kept) < MIN_PSF_STARS:
        return 1, usual
    usual[usual] = kept
    seen, terms = seen[kept] / scatter, terms[kept]
    best, least = 1, np.inf
    for count in allowed:
        if len(seen) < STARS_PER_ORDER[count]:
            break
        error = _prediction_error(seen, terms[:, :count])
        if error < (1 - MIN_GAIN) * least:
            best, least = count, error
    if best == 3 and len(seen) >= STARS_PER_ORDER[6]:
        slopes = np.linalg.lstsq(terms[:, :3], seen)[0][1:] * scatter
        bend = 2 * float(np.abs(slopes).sum(axis=0).max()) ** 2
        best = 6 if bend > MAX_BEND else 3
    return best, usual


def _usual(values: Array, errors: Array, design: Array) -> tuple[NDArray[np.bool_], Array]:
    """Return which rows follow a smooth trend, and the scatter about it: (n,), (3,).

    Galaxies and blends must neither bend the trend nor hide in its scatter.
    """
    weight = np.ones(len(values))
    far: Array = np.zeros(len(values))
    scatter: Array = np.ones(values.shape[1])
    for _ in range(ROBUST_ROUNDS):
        root = np.sqrt(weight)[:, None]
        left = values - design @ np.linalg.lstsq(root * design, root * values)[0]
        scatter = np.maximum(MAD_TO_SIGMA * np.median(np.abs(left), axis=0), LEAST_SCATTER)
        far[:] = np.abs(left / np.hypot(scatter, errors[:, None])).max(axis=1)
        weight = 1 / (1 + (far / 2) ** 2) ** 2
    return far < OUTLIER_MAD, scatter


def _prediction_error(values: Array, design: Array) -> float:
    """Return the mean square error of predicting each row from all others."""
    basis, _ = np.linalg.qr(design)
    leverage = np.minimum((basis**2).sum(axis=1), 0.999)
    left = values - basis @ (basis.T @ values)
    return float(np.mean((left / (1 - leverage)[:, None]) ** 2))
