"""Noise beyond photons: registration and PSF errors, and how noisy blank sky is.

Each term is added to the matched filter's variance. Nothing here divides a measured
scatter out of the score.

References
----------
Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, sections 3.3 and 3.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.threads import in_bands
from astrid_assets.science.differencing import noise_kernels
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image, Mask
    from astrid_assets.science.differencing.matched import Matched

BRIGHT_SIGMA = 50.0  # a PSF error of 1 % is half a sigma on such a star
SAMPLE = 200_000  # scores of PSF-wide patches still tell their scatter to 0.7 %
MIN_BRIGHT_STARS = 5
PRIOR_STARS = 4
POWER_SNR = 10.0  # fainter stars leave mostly noise
TERM_ROUNDS = 3
SPREAD_FWHM = 1.5  # how far from a star a wrong PSF still leaves its share of it
NORMAL_MEDIAN = 0.6745  # half of Gaussian residuals are below so many sigma
BLANK_SIGMA = 3.0  # static sources below it do not touch the scatter
BLANK_EXCESS = 0.1  # of the variance for registration and PSF: 5 % of a scatter
MIN_BLANK_FRACTION = 0.2  # in crowded fields the emptiest fifth counts as blank
WIDE_GROWTH = MaskBit.SATURATED | MaskBit.BLEEDING | MaskBit.TRAIL | MaskBit.NO_DATA


def sample_of(where: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return evenly spaced ones of many pixels: enough for a median or a scatter.

    Indices into the flattened image.
    """
    step = max(1, int(np.count_nonzero(where)) // SAMPLE)
    return noise_kernels.every_set(np.ascontiguousarray(where), step)


def sky_sigma(variance: Image, usable: NDArray[np.bool_]) -> float:
    """Return the noise of blank sky that a variance image states.

    Half the pixels of any field that can be subtracted are sky or nearly so; the
    30th percentile is sky in crowded ones too and equals it in empty ones.
    """
    return float(np.sqrt(np.percentile(variance.ravel()[sample_of(usable)], 30)))


@dataclass(frozen=True)
class ErrorTerms:
    """What adds to photon noise: both are measured on stars, or assumed at least.

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
    """Measure both terms: those with which bright stars have scores of unit scatter.

    At a star's centre its image has no slope and the PSF error is alone; half a FWHM
    beside it the slope is steepest. Medians over the stars, so variable ones do not
    count. What is assumed beforehand weighs as much as `PRIOR_STARS` stars.
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
        told = unit_scatter(residual2[:, :1], known[:, :1], peak2)
        error2 = known_stars * told + (1 - known_stars) * prior.psf_error**2
        known = variance + error2 * peak2
        told = unit_scatter(residual2[:, 1:], known[:, 1:], slopes2[:, 1:])
        jitter2 = known_stars * told + (1 - known_stars) * prior.jitter_px**2
    return ErrorTerms(float(np.sqrt(jitter2)), float(np.sqrt(error2)))


def residual_power(
    matched: Matched,
    usable: NDArray[np.bool_],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    fwhm_px: float,
) -> float | None:
    """Return what constant stars leave of their power, noise taken off; the median.

    Power is the sum of squared PSF fluxes within one FWHM. None without a star that
    stands out of the noise.
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
    """Find the factor of `unit` with which half the residuals are below 0.67 sigma."""
    # Each residual would need this much; half of Gaussian ones need less than none.
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
    """Return flux, its error and the score, (ny, nx); 0 where nothing is usable.

    The variance grows by registration scatter (eqs. 30 to 33) and by PSF errors: of
    the flux of sources present in both images, spread over the size of a PSF.
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
    """Pixels where neither mask nor reference nor an error of the stars' counts.

    Parameters
    ----------
    variance : (ny, nx)
        Without the terms for registration and PSF, which `flux_err` holds: beside a
        bright star the score would tell of them and not of the noise.
    """
    shown = np.empty_like(flux_err)
    in_bands(
        lambda a, b: noise_kernels.shown_rows(
            flux_reference, flux_err, variance, BLANK_SIGMA, BLANK_EXCESS, shown, a, b
        ),
        len(shown),
    )
    told = shown.ravel()[sample_of(usable)]
    limit = max(1.0, float(np.quantile(told, MIN_BLANK_FRACTION)))
    return usable & (shown <= np.float32(limit))


def grow_mask(mask: Mask, radius_px: float) -> Mask:
    """Spread unusable bits over what they spoil; the other bits stay as they are."""
    grown = np.array(mask, order="C")
    present = int(np.bitwise_or.reduce(mask, axis=None)) & UNUSABLE
    for bit in MaskBit:
        if bit & present:
            radius = radius_px if bit & WIDE_GROWTH else radius_px / 2
            noise_kernels.spread(mask, np.uint16(bit), disc_reach(radius), grown)
    return grown


def disc_reach(radius_px: float) -> NDArray[np.int64]:
    """Return the half width of each row of a disc of at least one pixel: (2 r + 1,)."""
    radius = max(radius_px, 1.0)
    rows = np.arange(-int(radius), int(radius) + 1)
    return np.sqrt(radius**2 - rows**2).astype(np.int64)
