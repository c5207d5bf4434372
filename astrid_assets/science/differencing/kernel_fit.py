"""Alard & Lupton's kernel: what turns the sharper image's stars into the other's.

The kernel is a sum of Gaussians times polynomials, each changing linearly over the
frame, fitted to stamps around the common stars by least squares. It uses neither
measured PSF, which makes it an independent check of ZOGY. The subtraction itself is
`zogy.match_blurred`.

References
----------
Alard & Lupton 1998, ApJ 503, 325; Alard 2000, A&AS 144, 363.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.robust import mad_sigma
from astrid_assets.science.differencing.local_psf import terms
from astrid_assets.science.differencing.matched import Blurs
from astrid_assets.science.differencing.transform import back, forward, padded_shape
from astrid_assets.science.errors import TooFewStars

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.differencing.local_psf import Stamps

DEGREES = (2, 2, 0)
"""Degrees of the three Gaussians' polynomials; higher ones fit the noise."""

WIDTHS = (0.5, 1.0, 2.0)
"""Widths of the Gaussians, in units of the quadratic difference of both PSFs' widths."""

MIN_WIDTH_PX = 0.7  # narrower Gaussians are single pixels
REACH = 3.0  # of the widest Gaussian, in its sigmas
STAMP_FWHM = 2.5  # half side of a star's stamp
PER_TERM_STARS = 6  # as many stars let the kernel change linearly over the frame
MIN_STARS = 3
CLIP_SIGMA = 4.0
ROUNDS = 3
RIDGE = 1e-6  # of a term's own weight: terms that no star constrains stay at zero
LINEAR = 3

Array = np.ndarray


def matching_blurs(
    science: Image,
    reference: Image,
    variance: Image,
    usable: NDArray[np.bool_],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    science_stamps: Stamps,
    fwhms_px: tuple[float, float],
) -> Blurs:
    """Fit the kernel, and return how both images are blurred with it.

    Parameters
    ----------
    science, reference : (ny, nx), electrons
        Registered, scaled, masked pixels filled.
    variance : (ny, nx), electrons squared
        Variance of their difference.
    usable : (ny, nx)
        Other pixels carry no weight.
    x, y : (n,), pixels
        The common stars.
    science_stamps : (k, n, n)
        PSF of `science`: what a source looks like.
    fwhms_px : pixels
        FWHM of `science` and of `reference`; the sharper image is the one that is blurred.

    Returns
    -------
    blurs : stamps of (k, n, n)
        The kernel for the sharper image, a single pixel for the other.

    Raises
    ------
    TooFewStars
        If fewer than three stars are left.

    References
    ----------
    Alard & Lupton 1998, ApJ 503, 325; Alard 2000, A&AS 144, 363.
    """
    reference_is_sharper = fwhms_px[1] <= fwhms_px[0]
    sharp, soft = (reference, science) if reference_is_sharper else (science, reference)
    basis = _basis(max(fwhms_px), min(fwhms_px))
    half = round(STAMP_FWHM * max(fwhms_px))
    margin = half + basis.shape[1] // 2
    ny, nx = science.shape
    rows, columns = np.rint(y).astype(int), np.rint(x).astype(int)
    inside = (rows >= margin) & (rows < ny - margin) & (columns >= margin) & (columns < nx - margin)
    rows, columns = rows[inside], columns[inside]
    if len(rows) < MIN_STARS:
        raise TooFewStars("matching kernel", len(rows), MIN_STARS)
    count = LINEAR if len(rows) >= LINEAR * PER_TERM_STARS else 1
    position_terms = terms(columns, rows, (ny, nx), count)
    design = _blurred_stamps(_cut(sharp, rows, columns, margin), basis, half)
    target = _cut(soft, rows, columns, half).reshape(len(rows), -1)
    good = _cut(usable, rows, columns, half).reshape(len(rows), -1)
    weight = good / _cut(variance, rows, columns, half).reshape(len(rows), -1)
    solution = _solve(design, target.astype(np.float64), weight, position_terms)
    kernel = np.tensordot(solution, basis, axes=1).astype(np.float32)
    still = np.zeros_like(kernel)
    middle = kernel.shape[1] // 2
    still[0, middle, middle] = 1
    if reference_is_sharper:
        return Blurs(still, kernel, science_stamps)
    return Blurs(kernel, still, science_stamps)


def _basis(soft_fwhm_px: float, sharp_fwhm_px: float) -> Array:
    """Return the kernel's components, (b, n, n); the first is a single pixel.

    All but two have zero sum, so that the flux scale is not spread over them.
    """
    apart = np.sqrt(max(soft_fwhm_px**2 - sharp_fwhm_px**2, 0.0)) / 2.355
    unit = max(apart, MIN_WIDTH_PX / WIDTHS[0])
    half = int(np.ceil(REACH * WIDTHS[-1] * unit))
    v, u = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    delta = np.zeros(u.shape)
    delta[half, half] = 1
    found = [delta]
    for width, degree in zip(WIDTHS, DEGREES, strict=True):
        s = width * unit
        gaussian = np.exp(-0.5 * (u * u + v * v) / s**2)
        for i in range(degree + 1):
            for j in range(degree + 1 - i):
                shape = gaussian * (u / s) ** i * (v / s) ** j
                if i % 2 == 0 and j % 2 == 0:
                    shape = shape / shape.sum() - delta
                found.append(shape / np.sqrt((shape**2).sum()))
    return np.array(found)


def _cut(image: Array, rows: Array, columns: Array, half: int) -> Array:
    span = np.arange(-half, half + 1)
    return image[rows[:, None, None] + span[:, None], columns[:, None, None] + span]


def _blurred_stamps(stamps: Array, basis: Array, half: int) -> Array:
    """Return each stamp blurred with each component: (n, pixels, b)."""
    n, side, _ = stamps.shape
    reach = basis.shape[1]
    size, _ = padded_shape((side, side), reach - 1)
    spectra = forward(stamps.astype(np.float64), (size, size))
    kernels = forward(basis, (size, size))
    middle = reach // 2 + side // 2
    part = slice(middle - half, middle + half + 1)
    out = np.empty((n, (2 * half + 1) ** 2, len(basis)))
    for b, kernel in enumerate(kernels):
        blurred = back(spectra * kernel, (size, size))
        out[:, :, b] = blurred[:, part, part].reshape(n, -1)
    return out


def _solve(design: Array, target: Array, weight: Array, position_terms: Array) -> Array:
    """Fit all stars together, stars that disagree left out: (terms, b)."""
    n_terms, n_basis = position_terms.shape[1], design.shape[2]
    # One constant per star stands for the sky left under it.
    sky = (weight * target).sum(axis=1) / np.maximum(weight.sum(axis=1), 1e-30)
    level = np.einsum("np,npb->nb", weight, design) / np.maximum(weight.sum(axis=1), 1e-30)[:, None]
    design, target = design - level[:, None], target - sky[:, None]
    normal = np.einsum("npa,np,npb->nab", design, weight, design, optimize=True)
    right = np.einsum("npa,np,np->na", design, weight, target, optimize=True)
    keep = weight.sum(axis=1) > 0
    solution = np.zeros((n_terms, n_basis))
    for _ in range(ROUNDS):
        if keep.sum() < MIN_STARS:
            raise TooFewStars("matching kernel", int(keep.sum()), MIN_STARS)
        t = position_terms[keep]
        matrix = np.einsum("nk,nl,nab->kalb", t, t, normal[keep], optimize=True)
        matrix = matrix.reshape(n_terms * n_basis, n_terms * n_basis)
        matrix[np.diag_indices_from(matrix)] *= 1 + RIDGE
        vector = np.einsum("nk,na->ka", t, right[keep]).ravel()
        solution = np.linalg.lstsq(matrix, vector, rcond=1e-12)[0]
        solution = solution.reshape(n_terms, n_basis)
        kernels = position_terms @ solution
        left = target - np.einsum("npb,nb->np", design, kernels)
        chi2 = (weight * left**2).sum(axis=1) / np.maximum((weight > 0).sum(axis=1), 1)
        usual = float(np.median(chi2[keep]))
        limit = usual + CLIP_SIGMA * max(mad_sigma(chi2[keep]), 0.1 * usual)
        keep = (chi2 <= limit) & (weight.sum(axis=1) > 0)
    return solution
