"""Flux ratio and residual offset, fitted to stamps of sources in both images.

Each star's stamps are convolved with the *other* image's PSF, so that both show
the same profile; then ``science = ratio * (reference shifted) + constant`` is a linear
fit. It nulls the very difference that ZOGY takes, for galaxies as well as for stars.
Which sources are used is decided in `common_stars`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import map_coordinates

from astrid_assets.science.arrays.robust import mad_sigma
from astrid_assets.science.differencing.flux_ratio import FluxRatio, fit_ratio
from astrid_assets.science.differencing.transform import back, forward

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.differencing.local_psf import PsfsAt
    from astrid_assets.science.registration.pixel_mapping import PixelMapping

Values = NDArray[np.float64]

CLIP_SIGMA = 4.0
MIN_REFERENCE_SNR = 7.0  # peak of the matched reference over its noise
AFFINE_STARS = 12  # from here on the offset may change linearly over the frame
MAX_ROUNDS = 4
CONVERGED_PX = 0.005
MAX_STEP_PX = 1.0  # largest shift in one round: the linear fit is invalid beyond it


@dataclass(frozen=True)
class Sources:
    """Positions of usable sources in the science frame, brightest first."""

    x: Values
    y: Values
    snr: Values


@dataclass(frozen=True)
class CommonStars:
    """What the common stars show.

    Attributes
    ----------
    x, y, snr : (n,)
        The stars that were used.
    ratio, ratio_scatter
        F_n / F_r, and the robust relative scatter of the stars about it.
    mapping
        The mapping into the reference with the measured offset applied.
    offset_px
        Median length of that offset.
    scatter_px
        Scatter of the offsets per axis, photon noise subtracted in quadrature.
    ratios : (n,)
        Each star's own ratio over `ratio` at its position.
    left_px : (n, 2), x and y
        Offset of each star from the final mapping.
    """

    x: Values
    y: Values
    snr: Values
    ratio: FluxRatio
    ratio_scatter: float
    mapping: PixelMapping
    offset_px: float
    scatter_px: float
    ratios: Values
    left_px: Values

    def __len__(self) -> int:
        """Count the stars."""
        return len(self.x)


def compare_stars(
    sources: Sources,
    science: Image,
    reference_coefficients: Image,
    mapping: PixelMapping,
    science_psf_at: PsfsAt,
    reference_psf_at: PsfsAt,
    fwhm_px: float,
    reference_noise: float,
) -> CommonStars | None:
    """Fit flux ratio and offset to the stars; None when none is left.

    Parameters
    ----------
    sources : (n,)
        Positions and S/N on the science frame.
    science : (ny, nx), electrons
        The science image, masked pixels filled.
    reference_coefficients : (my, mx)
        Cubic-spline coefficients of the reference on its own grid.
    mapping
        Mapping of the science grid into the reference.
    science_psf_at, reference_psf_at
        Functions that return PSFs, (n, s, s), at positions of the science frame.
    fwhm_px : pixels
        FWHM of the wider PSF.
    reference_noise : electrons per pixel
        Noise of the reference: sources that it does not show are no common stars.

    Returns
    -------
    stars
        The stars that agree, flux ratio and offset in pixels; None: fewer than three do.
    """
    half = round(2 * fwhm_px) + max(2, round(fwhm_px))
    columns = np.rint(sources.x).astype(int)[:, None, None] + np.arange(-half, half + 1)
    rows = np.rint(sources.y).astype(int)[:, None, None] + np.arange(-half, half + 1)[:, None]
    stamps = science[rows, columns]
    science_psfs = science_psf_at(sources.x, sources.y)
    reference_psfs = reference_psf_at(sources.x, sources.y)
    science_matched = _convolve(stamps, reference_psfs)
    area = mapping.area_at(columns, rows)
    at_x, at_y = mapping.at(columns, rows)
    to_reference = mapping.linear()
    total = np.zeros((len(sources.x), 2))  # offsets so far, science pixels
    fit = _no_fit(len(sources.x))
    model = np.zeros_like(total)
    keep = np.zeros(len(sources.x), dtype=bool)
    coefficients = np.zeros((3, 2))
    for _ in range(MAX_ROUNDS):
        # A star at p in the science frame is found at mapping(p - offset).
        moved = -model @ to_reference.T
        reference = area * map_coordinates(
            reference_coefficients,
            (at_y + moved[:, 1, None, None], at_x + moved[:, 0, None, None]),
            order=3,
            prefilter=False,
            mode="nearest",
        )
        reference_matched = _convolve(reference, science_psfs)
        fit = _fit_stars(science_matched, reference_matched, fwhm_px)
        total = model + np.clip(fit.shift, -MAX_STEP_PX, MAX_STEP_PX)
        keep = _consistent(
            fit, sources.snr, total, _shown(reference_matched, science_psfs, reference_noise)
        )
        if not keep.any():
            return None
        step = model
        model, coefficients = _offset_model(sources, total, keep, fwhm_px, mapping.shape)
        if np.abs(model - step).max() < CONVERGED_PX:
            break
    return _summary(sources, fit, total, model, keep, coefficients, mapping, fwhm_px)


@dataclass(frozen=True)
class _Fit:
    ratio: Values  # (n,)
    shift: Values  # (n, 2) x, y: where the science star lies from the reference's


def _no_fit(n: int) -> _Fit:
    return _Fit(np.full(n, np.nan), np.zeros((n, 2)))


def _fit_stars(science: Values, reference: Values, fwhm_px: float) -> _Fit:
    """Fit ``science = a reference + b d(reference)/dx + c d(reference)/dy + constant``."""
    half = science.shape[1] // 2
    dy, dx = np.mgrid[-half : half + 1, -half : half + 1]
    inner = np.hypot(dx, dy) <= 2 * fwhm_px
    by_y, by_x = np.gradient(reference, axis=1), np.gradient(reference, axis=2)
    design = np.stack(
        [reference[:, inner], by_x[:, inner], by_y[:, inner], np.ones_like(reference[:, inner])],
        axis=2,
    )
    normal = np.einsum("npi,npj->nij", design, design)
    right = np.einsum("npi,np->ni", design, science[:, inner])
    # A stamp without any light makes a singular fit; it gets a ratio of 0.
    scale = np.maximum(np.einsum("nii->ni", normal), 1e-30)
    normal += np.einsum("ni,ij->nij", 1e-9 * scale, np.eye(4))
    solution = np.linalg.solve(normal, right[..., None])[..., 0]
    ratio = solution[:, 0]
    # R(x - s) = R - s R': the shift is minus the gradient's factor.
    safe = np.where(np.abs(ratio) > 1e-12, ratio, np.inf)
    return _Fit(ratio, -solution[:, 1:3] / safe[:, None])


def _shown(
    reference_matched: Values, psfs: NDArray[np.floating], noise: float
) -> NDArray[np.bool_]:
    """Return which stars stand out of the reference by themselves."""
    half = reference_matched.shape[1] // 2
    near = slice(half - 1, half + 2)
    peak = reference_matched[:, near, near].max(axis=(1, 2))
    ring = np.median(reference_matched, axis=(1, 2))
    error = noise * np.sqrt((psfs.astype(np.float64) ** 2).sum(axis=(1, 2)))
    return peak - ring > MIN_REFERENCE_SNR * error


def _consistent(
    fit: _Fit, snr: Values, total: Values, shown: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which stars have a ratio and a shift that agree with the others'."""
    keep = np.isfinite(fit.ratio) & (fit.ratio > 0) & shown
    for _ in range(5):
        if keep.sum() < 3:
            break
        before = keep.copy()
        for values, floor in (
            (np.log(np.maximum(fit.ratio, 1e-12)), np.hypot(1 / snr, 0.02)),
            (total[:, 0], np.hypot(1 / snr, 0.05)),
            (total[:, 1], np.hypot(1 / snr, 0.05)),
        ):
            centre = np.median(values[keep])
            spread = mad_sigma(values[keep], float(centre))
            keep &= np.abs(values - centre) < CLIP_SIGMA * np.maximum(spread, floor)
        if (keep == before).all():
            break
    return keep


def _offset_model(
    sources: Sources,
    total: Values,
    keep: NDArray[np.bool_],
    fwhm_px: float,
    shape: tuple[int, int],
) -> tuple[Values, Values]:
    """Return the offset at every star and its coefficients (1, u, v; x, y)."""
    count = 3 if keep.sum() >= AFFINE_STARS else 1
    terms = _terms(sources.x, sources.y, shape)[:, :count]
    weight = 1 / np.hypot(_centroid_error(sources.snr, fwhm_px), 0.03)
    solution, *_ = np.linalg.lstsq(
        terms[keep] * weight[keep, None], total[keep] * weight[keep, None], rcond=None
    )
    coefficients = np.zeros((3, 2))
    coefficients[:count] = solution
    return terms @ solution, coefficients


def _summary(
    sources: Sources,
    fit: _Fit,
    total: Values,
    model: Values,
    keep: NDArray[np.bool_],
    coefficients: Values,
    mapping: PixelMapping,
    fwhm_px: float,
) -> CommonStars:
    snr = sources.snr[keep]
    x, y = sources.x[keep], sources.y[keep]
    ratio = fit_ratio(x, y, fit.ratio[keep], snr, mapping.shape)
    ratios = fit.ratio[keep] / ratio.at(x, y)
    scatter = mad_sigma(ratios, 1)
    residual = (total - model)[keep]
    measured = mad_sigma(residual, 0)
    photon = float(np.median(_centroid_error(snr, fwhm_px)))
    to_reference = mapping.linear()

    def offset(x: Values, y: Values) -> tuple[Values, Values]:
        field = _terms(x.ravel(), y.ravel(), mapping.shape) @ coefficients
        dx, dy = -to_reference @ field.T
        return dx.reshape(x.shape), dy.reshape(x.shape)

    return CommonStars(
        x=x,
        y=y,
        snr=snr,
        ratio=ratio,
        ratio_scatter=scatter,
        mapping=mapping.moved(offset),
        offset_px=float(np.median(np.hypot(*model[keep].T))),
        scatter_px=float(np.sqrt(max(measured**2 - photon**2, 0.0))),
        ratios=ratios,
        left_px=residual,
    )


def _terms(x: Values, y: Values, shape: tuple[int, int]) -> Values:
    ny, nx = shape
    return np.column_stack(
        [np.ones_like(x), 2 * x / max(nx - 1, 1) - 1, 2 * y / max(ny - 1, 1) - 1]
    )


def _centroid_error(snr: Values, fwhm_px: float) -> Values:
    """Return the photon noise of a star's position in one image, per axis: sigma over S/N."""
    return fwhm_px / 2.355 / snr


def _convolve(stamps: NDArray[np.floating], psfs: NDArray[np.floating]) -> Values:
    """Convolve stamp by stamp, same size, nothing wraps around."""
    n, m = stamps.shape[1], psfs.shape[1]
    size = int(fft.next_fast_len(n + m - 1, real=True) or 0)
    shape = (size, size)
    image = back(forward(stamps, shape) * forward(psfs, shape), shape)
    part = slice(m // 2, m // 2 + n)
    return image[:, part, part].astype(np.float64)
