"""ZOGY: the optimal difference of two images of known PSF and white noise.

The formulas of the paper and nothing else: registration, scaling and masks come
before, the error terms beyond photon noise after (`noise`). Both images are in
the electrons of the science frame, so F_n = F_r = 1.

References
----------
Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27 (equation numbers below).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from astrid_assets.science.differencing.transform import Real, Spectrum, back, forward
from astrid_assets.science.errors import ShapeMismatch

if TYPE_CHECKING:
    from astrid_assets.science.frame import Image

Power: TypeAlias = Real

WHITENING_FLOOR = 1e-5
"""Where both PSFs' transforms are below this, D is the plain difference: their
ratio would be that of the errors of the PSF stamps."""


@dataclass(frozen=True)
class Matched:
    """The products, all in electrons of the science frame, (ny, nx).

    Attributes
    ----------
    d
        D / F_D: a source of `f` electrons is ``f * psf_d``.
    flux_new, flux_ref
        S_n / F_S and S_r / F_S; their difference is the PSF flux of a change.
    variance
        (V(S_n) + V(S_r)) / F_S².
    psf_d : (ny, nx)
        P_D, unit sum, peak at pixel [0, 0].
    """

    d: Image
    flux_new: Image
    flux_ref: Image
    variance: Image
    psf_d: Image


def match(
    new: Image,
    ref: Image,
    new_psf: Image,
    ref_psf: Image,
    new_variance: Image,
    ref_variance: Image,
    *,
    new_noise: float,
    ref_noise: float,
    new_power: Power | None = None,
    ref_power: Power | None = None,
    workers: int = 1,
) -> Matched:
    """Subtract and filter; swapping the pair flips the sign of d and of the flux.

    Parameters
    ----------
    new, ref : (ny, nx), electrons
        Registered, background-subtracted, scaled to the same flux.
    new_psf, ref_psf : (ny, nx)
        Unit sum, peak at pixel [0, 0].
    new_variance, ref_variance : (ny, nx), electrons squared
        Of single pixels, including source noise.
    new_noise, ref_noise : electrons per pixel, above 0
        sigma_n, sigma_r: what the variances say of blank sky.
    new_power, ref_power : (ny, nx // 2 + 1), optional
        Power spectrum of the sky's noise over ``noise ** 2``, where it is not white;
        the paper's formulas hold for each frequency.

    Raises
    ------
    ShapeMismatch
        If the images differ in shape.
    """
    for image in (ref, new_psf, ref_psf, new_variance, ref_variance):
        if image.shape != new.shape:
            raise ShapeMismatch(new.shape, image.shape)
    shape = (new.shape[0], new.shape[1])

    def to(image: Real) -> Spectrum:
        return forward(image, workers=workers)

    def fro(spectrum: Spectrum) -> Image:
        return back(spectrum, shape, workers).astype(np.float32, copy=False)

    n, r = to(new), to(ref)
    pn, pr = to(new_psf), to(ref_psf)
    vn = _noise_power(new_noise, new_power, n.shape)
    vr = _noise_power(ref_noise, ref_power, r.shape)

    filter_n, filter_r, psf_d = _difference_filters(pn, pr, vn, vr)
    d = fro(filter_n * n - filter_r * r)  # eq. 13
    k_n, k_r, f_s = _score_filters(pn, pr, vn, vr, shape)
    flux_new, flux_ref = fro(k_n * n), fro(k_r * r)  # S_n, S_r over F_S, eq. 12
    variance = fro(  # eqs. 26-29
        to(new_variance) * to(fro(k_n) ** 2) + to(ref_variance) * to(fro(k_r) ** 2)
    )
    # The sky's noise is not white where a spectrum is given; the sources' is.
    variance += np.float32(
        _excess(k_n, vn, new_noise, shape) + _excess(k_r, vr, ref_noise, shape)
    )
    # Rounding of the transforms leaves a few pixels below what sky alone gives.
    variance = np.maximum(variance, np.float32(0.1 / f_s))
    return Matched(d, flux_new, flux_ref, variance, fro(psf_d))


def _difference_filters(
    pn: Spectrum, pr: Spectrum, vn: Power, vr: Power
) -> tuple[Spectrum, Spectrum, Spectrum]:
    """Filters of N and R in D / F_D (eq. 13, 15), and P_D (eq. 14)."""
    qn = pn + np.float32(WHITENING_FLOOR)
    qr = pr + np.float32(WHITENING_FLOOR)
    root = np.sqrt(vn * _abs2(qr) + vr * _abs2(qn))
    f_d = np.real(pn * qr / root)[0, 0]  # P_D has unit sum
    root = root * f_d
    return qr / root, qn / root, pn * qr / root


def _score_filters(
    pn: Spectrum, pr: Spectrum, vn: Power, vr: Power, shape: tuple[int, ...]
) -> tuple[Spectrum, Spectrum, float]:
    """k_n and k_r over F_S (eqs. 28, 29, 12), and F_S, the sum of |P_n P_r|²/...."""
    an, ar = _abs2(pn), _abs2(pr)
    denominator = vn * ar + vr * an
    # Both PSFs vanish together only where neither image has signal: 0, not 0/0.
    inverse = 1 / np.maximum(denominator, np.finfo(np.float32).tiny * 1e6)
    f_s = half_plane_sum(an * ar * inverse, shape) / float(np.prod(shape))
    scale = inverse / np.float32(f_s)
    k_n = np.asarray(np.conj(pn) * ar * scale, dtype=np.complex64)
    k_r = np.asarray(np.conj(pr) * an * scale, dtype=np.complex64)
    return k_n, k_r, f_s


def _noise_power(noise: float, power: Power | None, shape: tuple[int, ...]) -> Power:
    if power is None:
        return np.full(shape, noise**2, dtype=np.float32)
    return (noise**2 * power).astype(np.float32)


def _excess(
    kernel: Spectrum, power: Power, noise: float, shape: tuple[int, ...]
) -> float:
    """Variance of filtered noise of that spectrum, beyond that of white noise."""
    beyond = _abs2(kernel) * (power - np.float32(noise**2))
    return half_plane_sum(beyond, shape) / float(np.prod(shape))


def _abs2(spectrum: Spectrum) -> Power:
    return np.square(np.real(spectrum)) + np.square(np.imag(spectrum))


def half_plane_sum(half: Power, shape: tuple[int, ...]) -> float:
    """Sum over the whole plane of a quantity given on rfft2's half."""
    total = 2 * float(half.sum(dtype=np.float64)) - float(half[:, 0].sum())
    if shape[-1] % 2 == 0:
        total -= float(half[:, -1].sum())
    return total


def half_plane_mean(
    values: Power | np.float32, weights: Power, shape: tuple[int, ...]
) -> float:
    """Return the weighted mean over the whole plane of values on rfft2's half."""
    return half_plane_sum(values * weights, shape) / half_plane_sum(weights, shape)
