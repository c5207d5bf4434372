"""Cosmic rays: charge too sharp to have come through the telescope.

L.A.Cosmic, evaluated only where its Laplacian is already significant: its medians are
the whole cost, and a frame has some thousand such pixels among a million. Where it
cannot distinguish a cosmic ray from the core of a sharp star, the pixel is compared
with the stars themselves: light reaches a pixel's neighbours in a known share, and
charge does not.

References
----------
van Dokkum 2001, PASP 113, 1420.
Lupton et al. 2001, ASP Conf. 238, 269 (pixels against the PSF along four lines).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from astrid_assets.science.arrays.threads import in_bands
from astrid_assets.science.masking import cosmic_rays_kernels as kernels
from astrid_assets.science.masking import star_shape_kernels as star_shapes

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image

Bool = NDArray[np.bool_]
Index = NDArray[np.intp]
SIGCLIP = 5.0
"""Laplacian S/N of a cosmic ray; its author's advice is 4.5 to 5."""

NEIGHBOUR_SIGMA = 1.5
"""Laplacian S/N from which a neighbour of a cosmic ray belongs to it."""

OBJLIM = 5.0
"""Contrast against the fine structure where the stars' sharpness is not known."""

OBJLIM_BESIDE_STARS = 1.5
"""The same where it is known: the comparison with the stars decides."""

OBJLIM_WIDE = 2.0
"""The same where stars are so wide that none of them comes near it."""

CONTRAST_MARGIN = 3.0
"""Factor on the contrast of a noiseless star, above which no comparison is needed."""

BRIGHT_E = 1e6
PHASES = (0.0, 0.17, 0.33, 0.5)
"""Positions within a pixel, from its centre to its corner, pixels."""

ROUNDS = 4
REACH_PX = 6
"""A filled pixel changes the medians this far away."""

STAR_SNR = 25.0
"""Peak S/N of maxima that show how sharp a star is."""

BORDER_PX = 2
"""Border without a search: the visible half of a star there is as sharp as a cosmic ray."""

LEAST_SHARE = 0.22
"""Share of a star's peak that is in the next pixel when its FWHM is 1.2 pixels."""

AGREEMENT = 0.06
"""Half width of the range within which shares agree."""

ROUNDNESS = 0.3, 0.15
"""Shares of a star differ by less: between axes, and between axes and diagonals."""

MIN_STARS = 6
SHARPEST_PERCENTILE = 15.0
SHARE_MARGIN = 0.85
"""Factor on the stars' own share: the PSF varies over the frame."""

SHARP_SIGMA = 3.0
"""Significance of the light that is missing beside a cosmic ray."""


def find_cosmic_rays(data: Image, variance: Image, bad: Bool, fwhm_px: float | None = None) -> Bool:
    """Mark cosmic-ray pixels of a sky-subtracted frame, but not cores of stars.

    Parameters
    ----------
    data, variance : (ny, nx), electrons, electrons squared
        Light, and its variance with the Poisson noise of the light.
    bad : (ny, nx)
        Pixels to leave alone (saturated, missing).
    fwhm_px : pixels
        FWHM of the frame's stars where known; else their sharpness is measured on the
        frame's own bright maxima, and where too few of them agree, only pixels with a
        contrast above five against the fine structure are marked.

    Returns
    -------
    found : (ny, nx)
        True on cosmic rays; never on `bad` pixels.

    Notes
    -----
    Warm pixels, and charge that diffused as wide as a star, are not distinguished.

    References
    ----------
    van Dokkum 2001, PASP 113, 1420; Lupton et al. 2001, ASP Conf. 238, 269.
    """
    data = np.ascontiguousarray(data, dtype=np.float32)
    variance = np.ascontiguousarray(variance, dtype=np.float32)
    ny = len(data)
    clean = np.empty_like(data)
    in_bands(lambda a, b: kernels.without_holes(data, bad, clean, a, b), ny)
    flags = np.zeros(data.shape, np.uint8)
    in_bands(
        lambda a, b: kernels.outstanding(
            clean, data, variance, bad, SIGCLIP, STAR_SNR, a, b, flags
        ),
        ny,
    )
    least = _least_shares(clean, bad, kernels.flagged(flags, 2), fwhm_px)
    pixels = kernels.flagged(flags, 1)
    flags[:] = 0
    taken, found = bad.copy(), np.zeros(data.shape, dtype=bool)
    for _ in range(ROUNDS):
        new = _one_round((clean, data, variance), bad, taken, least, pixels, flags)
        if not len(new):
            break
        found.ravel()[new] = True
        kernels.fill(clean, taken, new)
        near = kernels.neighbours(new, taken, REACH_PX, flags)
        pixels = kernels.still_outstanding(clean, data, variance, near, SIGCLIP)
    return found


def _one_round(
    images: tuple[Image, Image, Image],
    bad: Bool,
    taken: Bool,
    least: Image | None,
    pixels: Index,
    seen: NDArray[np.uint8],
) -> Index:
    """Run the criterion of the paper on some pixels; what is found is `taken`."""
    clean, _, variance = images
    significance, contrast = _judged(images, pixels, SIGCLIP)
    lowest = OBJLIM if least is None else OBJLIM_BESIDE_STARS
    is_core = (significance > SIGCLIP) & (contrast > lowest)
    new = pixels[is_core]
    contrast = contrast[is_core]
    if least is not None:
        args = clean, variance, bad, new, least, SHARP_SIGMA
        clear = contrast > contrast_of_stars(float(least[:2].mean()))
        new = new[clear | star_shapes.sharper(*args)]
    new = star_shapes.away_from_stars(clean, variance, bad, new, STAR_SNR, BORDER_PX)
    taken.ravel()[new] = True
    for limit in (SIGCLIP, NEIGHBOUR_SIGMA):
        ring = kernels.neighbours(new, taken, 1, seen)
        significance, _ = _judged(images, ring, np.inf)
        ring = ring[significance > limit]
        ring = star_shapes.away_from_stars(clean, variance, bad, ring, STAR_SNR, 0)
        taken.ravel()[ring] = True
        new = np.concatenate([new, ring])
    return new


def _judged(images: tuple[Image, Image, Image], pixels: Index, clip: float) -> tuple[Image, Image]:
    """Return significance of some pixels, and contrast where it is above `clip`."""
    clean, data, variance = images
    significance = np.empty(len(pixels), np.float32)
    contrast = np.empty(len(pixels), np.float32)
    in_bands(
        lambda a, b: kernels.judge_pixels(
            clean, data, variance, pixels, clip, significance, contrast, a, b
        ),
        len(pixels),
    )
    return significance, contrast


def _least_shares(clean: Image, bad: Bool, maxima: Index, fwhm_px: float | None) -> Image | None:
    """Return the least light beside a star's peak along four lines, or None."""
    if fwhm_px is not None and np.isfinite(fwhm_px):
        # A pixel's own width adds to the variance of the light.
        share = np.exp(-0.5 / ((fwhm_px / 2.3548) ** 2 + 1 / 12))
        star = np.array([share, share, share**2, share**2])
    else:
        star = _shares_of_stars(star_shapes.shares(clean, bad, maxima))
        if star is None:
            return None
    margin = np.array([SHARE_MARGIN, SHARE_MARGIN, SHARE_MARGIN**2, SHARE_MARGIN**2])
    return (margin * star).astype(np.float32)


def _shares_of_stars(beside: Image) -> NDArray[np.float64] | None:
    """Return the shares on which most round maxima agree."""
    usable = np.all(np.isfinite(beside), axis=1)
    shares: NDArray[np.float64] = beside[usable].astype(np.float64)
    row, column, up, down = shares.T
    square = row * column
    along, across = ROUNDNESS
    is_round = (np.abs(row - column) < along) & (np.abs(up - down) < along)
    is_round &= np.abs(np.sqrt(up * down) - square) < across
    is_round &= (square > LEAST_SHARE**2) & (square < 1)
    shares = shares[is_round]
    width = np.sqrt(square[is_round])
    order = np.argsort(width, kind="stable")
    width, shares = width[order], shares[order]
    last = np.searchsorted(width, width + 2 * AGREEMENT, side="right")
    members = last - np.arange(len(width))
    if members.max(initial=0) < MIN_STARS:
        return None
    first = int(np.argmax(members))
    agreeing = shares[first : last[first]]
    return np.percentile(agreeing, SHARPEST_PERCENTILE, axis=0).astype(np.float64)


@lru_cache(maxsize=64)
def contrast_of_stars(share: float) -> float:
    """Return the highest contrast to fine structure of stars of a given sharpness.

    It is computed for noiseless Gaussians, at several positions within a pixel.

    Parameters
    ----------
    share
        Light beside the peak of a star over its peak, 0 to 1.

    Returns
    -------
    contrast
        Three times the highest contrast of such a star, at least 2.
    """
    # The Gaussian's variance; the pixel's own is in the share and in the stars.
    width = np.sqrt(max(-0.5 / np.log(share) - 1 / 12, 0.05))
    side, highest = 21, 0.0
    edges = np.arange(side + 1) - side / 2
    flat, middle = np.ones((side, side), np.float32), np.array([side * side // 2])
    for dy, dx in product(PHASES, PHASES):
        row, column = (np.diff(ndtr((edges - d) / width)) for d in (dy, dx))
        star = (BRIGHT_E * np.outer(row, column)).astype(np.float32)
        _, contrast = _judged((star, star, flat + star), middle, 0.0)
        highest = max(highest, float(contrast[0]))
    return max(CONTRAST_MARGIN * highest, OBJLIM_WIDE)
