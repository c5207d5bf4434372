"""Noise beyond photons: registration and PSF errors, and how noisy blank sky is.

Each term is added to the matched filter's variance. The score is never divided by a
measured scatter.

References
----------
Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, eqs. 25 to 33.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.threads import in_bands
from astrid_assets.science.differencing import noise_kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.differencing.matched import Matched

BRIGHT_SIGMA = 50.0  # a PSF error of 1 % is half a sigma on such a star
SAMPLE = 200_000  # enough for a scatter to 0.7 %, though scores are correlated over a PSF
MIN_BRIGHT_STARS = 5
PRIOR_STARS = 4
POWER_SNR = 10.0  # fainter stars leave mostly noise
TERM_ROUNDS = 3
SPREAD_FWHM = 1.5  # distance from a star to which its PSF error is applied
NORMAL_MEDIAN = 0.6745  # half of Gaussian residuals are below so many sigma
BLANK_SIGMA = 3.0  # static sources below it do not touch the scatter
BLANK_EXCESS = 0.1  # share of the variance that other errors may add there: 5 % of a scatter
MIN_BLANK_FRACTION = 0.2  # in crowded fields the emptiest fifth counts as blank


def sample_of(where: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return an evenly spaced sample of the pixels that are set.

    Enough of them for a median or a scatter.

    Parameters
    ----------
    where : (ny, nx)
        True for the pixels to draw from.

    Returns
    -------
    indices : (n,)
        Into the flattened image.
    """
    step = max(1, int(np.count_nonzero(where)) // SAMPLE)
    return noise_kernels.every_set(np.ascontiguousarray(where), step)


def sky_sigma(variance: Image, usable: NDArray[np.bool_]) -> float:
    """Return the noise of blank sky according to a variance image.

    Half the pixels of any field that can be subtracted are sky or nearly so; the 30th
    percentile is sky in crowded ones too and equals it in empty ones.

    Parameters
    ----------
    variance : (ny, nx), electrons squared
        Variance of single pixels.
    usable : (ny, nx)
        True where a pixel may be used.

    Returns
    -------
    sigma : electrons per pixel
        Square root of the 30th percentile.
    """
    return float(np.sqrt(np.percentile(variance.ravel()[sample_of(usable)], 30)))


@dataclass(frozen=True)
class ErrorTerms:
    """Errors beyond photon noise: measured on stars, or assumed where few stars are bright.

    Attributes
    ----------
    jitter_px
        Registration scatter per axis of either image.
    psf_error
        Residual of a constant star over its flux.
    """

    jitter_px: float
    psf_error: float


def measure_terms(
    matched: Matched,
    usable: NDArray[np.bool_],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    fwhm_px: float,
    prior: ErrorTerms,
) -> ErrorTerms:
    """Measure the terms with which the scores of bright stars have unit scatter.

    At a star's centre the image has no slope, so only the PSF error counts; half a FWHM beside
    it the slope is steepest. Medians over the stars are used, so variable ones do not count.
    The assumed values weigh as much as `PRIOR_STARS` stars.

    Parameters
    ----------
    matched
        Products of the subtraction, (ny, nx) each.
    usable : (ny, nx)
        True where a pixel may be used.
    x, y : (n,), pixels
        Positions of the common stars on the science frame.
    fwhm_px : pixels
        FWHM of the science PSF.
    prior
        The assumed terms.

    Returns
    -------
    terms : pixels, and a fraction of the flux
        The assumed ones where fewer than five bright stars are usable.

    References
    ----------
    Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, eqs. 30 to 33, for the registration term.
    """
    ny, nx = matched.flux.shape
    rows, columns = np.rint(y).astype(int), np.rint(x).astype(int)
    r = max(1, round(fwhm_px / 2))
    inside = (rows > r) & (rows < ny - 1 - r) & (columns > r) & (columns < nx - 1 - r)
    rows, columns = rows[inside], columns[inside]
    dy, dx = np.array([(0, 0), (-r, 0), (r, 0), (0, -r), (0, r)]).T
    at = rows[:, None] + dy, columns[:, None] + dx
    variance = matched.variance[at]
    peak = np.minimum(matched.flux_science[at], matched.flux_reference[at])[:, 0]
    bright = (peak > BRIGHT_SIGMA * np.sqrt(variance[:, 0])) & usable[at].all(axis=1)
    if bright.sum() < MIN_BRIGHT_STARS:
        return prior
    known_stars = float(bright.sum() / (bright.sum() + PRIOR_STARS))
    at = at[0][bright], at[1][bright]
    variance, peak2 = variance[bright], peak[bright, None] ** 2
    residual2 = matched.flux[at] ** 2
    slopes2 = _slopes2(matched.flux_science, at) + _slopes2(matched.flux_reference, at)
    error2, jitter2 = prior.psf_error**2, prior.jitter_px**2
    for _ in range(TERM_ROUNDS):
        known = variance + jitter2 * slopes2
        measured = unit_scatter(residual2[:, :1], known[:, :1], peak2)
        error2 = known_stars * measured + (1 - known_stars) * prior.psf_error**2
        known = variance + error2 * peak2
        measured = unit_scatter(residual2[:, 1:], known[:, 1:], slopes2[:, 1:])
        jitter2 = known_stars * measured + (1 - known_stars) * prior.jitter_px**2
    return ErrorTerms(float(np.sqrt(jitter2)), float(np.sqrt(error2)))


def residual_power(
    matched: Matched,
    usable: NDArray[np.bool_],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    fwhm_px: float,
) -> float | None:
    """Return the share of their power that constant stars leave; the median.

    Power is the sum of squared PSF fluxes within one FWHM; that of the noise is subtracted.

    Parameters
    ----------
    matched
        Products of the subtraction, (ny, nx) each.
    usable : (ny, nx)
        True where a pixel may be used.
    x, y : (n,), pixels
        Positions of the common stars on the science frame.
    fwhm_px : pixels
        FWHM of the science PSF.

    Returns
    -------
    share
        Dimensionless, 0 or more; None without a star that stands out of the noise.
    """
    ny, nx = matched.flux.shape
    r = max(1, round(fwhm_px))
    dy, dx = np.mgrid[-r : r + 1, -r : r + 1]
    near = np.hypot(dx, dy) <= fwhm_px
    rows, columns = np.rint(y).astype(int), np.rint(x).astype(int)
    inside = (rows >= r) & (rows < ny - r) & (columns >= r) & (columns < nx - r)
    at = rows[inside, None] + dy[near], columns[inside, None] + dx[near]
    noise2 = matched.variance[at].sum(axis=1, dtype=np.float64)
    power = np.square(matched.flux_science[at]).sum(axis=1, dtype=np.float64)
    bright = usable[at].all(axis=1) & (power > POWER_SNR**2 * noise2)
    if not bright.any():
        return None
    left = np.square(matched.flux[at]).sum(axis=1, dtype=np.float64) - noise2
    return max(float(np.median(left[bright] / power[bright])), 0.0)


def unit_scatter(
    residual2: NDArray[np.floating],
    known: NDArray[np.floating],
    unit: NDArray[np.floating],
) -> float:
    """Find the factor of `unit` with which half the residuals are below 0.67 sigma.

    Parameters
    ----------
    residual2 : (n, ...)
        Squared residuals.
    known : (n, ...)
        Their variance without the term, in the same unit.
    unit : (n, ...)
        Variance that the term adds for a factor of 1.

    Returns
    -------
    factor
        0 or more.
    """
    # The factor that each residual asks for; for small ones it is negative.
    needed = (residual2 / NORMAL_MEDIAN**2 - known) / np.maximum(unit, 1e-30)
    return max(float(np.median(needed)), 0.0)


def _slopes2(flux: Image, at: tuple[NDArray[np.intp], NDArray[np.intp]]) -> NDArray[np.floating]:
    """Squared gradient by central differences."""
    rows, columns = at
    by_y = flux[rows + 1, columns] - flux[rows - 1, columns]
    by_x = flux[rows, columns + 1] - flux[rows, columns - 1]
    return (by_y.astype(np.float64) ** 2 + by_x.astype(np.float64) ** 2) / 4


def score_of(
    matched: Matched, usable: NDArray[np.bool_], terms: ErrorTerms, fwhm_px: float
) -> tuple[Image, Image, Image]:
    """Return flux, its error and the score; 0 where nothing is usable.

    Registration scatter and PSF errors add to the variance; PSF errors in proportion to the
    flux that is present in both images, spread over the size of a PSF.

    Parameters
    ----------
    matched
        Products of the subtraction, (ny, nx) each.
    usable : (ny, nx)
        True where a pixel may be used.
    terms
        Registration scatter and PSF error.
    fwhm_px : pixels
        FWHM of the science PSF.

    Returns
    -------
    flux, flux_err : (ny, nx), electrons
        PSF flux of a change and its error.
    score : (ny, nx), sigma
        S_corr, their ratio.

    References
    ----------
    Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, eq. 25 for the score, eqs. 30 to 33 for the
    registration term.
    """
    ny = matched.flux.shape[0]
    half = max(1, round(SPREAD_FWHM * fwhm_px))
    rows, static, flux_err, score = (np.empty_like(matched.flux) for _ in range(4))
    flux = matched.flux.copy()
    in_bands(
        lambda a, b: noise_kernels.smaller_of_both(
            matched.flux_science, matched.flux_reference, rows, half, a, b
        ),
        ny,
    )
    in_bands(lambda a, b: noise_kernels.highest_of_columns(rows, static, half, a, b), ny)
    in_bands(
        lambda a, b: noise_kernels.score_rows(
            flux,
            matched.flux_science,
            matched.flux_reference,
            matched.variance,
            static,
            usable,
            terms.jitter_px**2,
            terms.psf_error**2,
            flux_err,
            score,
            a,
            b,
        ),
        ny,
    )
    return flux, flux_err, score


def blank_sky(
    flux_reference: Image, flux_err: Image, variance: Image, usable: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Find blank sky: unmasked, no source in the reference, and no errors of bright stars.

    Parameters
    ----------
    flux_reference : (ny, nx), electrons
        PSF flux of the reference.
    flux_err : (ny, nx), electrons
        With the terms for registration and PSF.
    variance : (ny, nx), electrons squared
        Without these terms: beside a bright star the score would show them and not the
        noise.
    usable : (ny, nx)
        True where a pixel may be used.

    Returns
    -------
    blank : (ny, nx)
        True on blank sky; in a crowded field the emptiest fifth.
    """
    shown = np.empty_like(flux_err)
    in_bands(
        lambda a, b: noise_kernels.shown_rows(
            flux_reference, flux_err, variance, BLANK_SIGMA, BLANK_EXCESS, shown, a, b
        ),
        len(shown),
    )
    sampled = shown.ravel()[sample_of(usable)]
    limit = max(1.0, float(np.quantile(sampled, MIN_BLANK_FRACTION)))
    return usable & (shown <= np.float32(limit))
