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

WHITENING_FLOOR = 1e-4
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
    ref_noise_share
        Variance that the matched filter finds in the reference's noise, over
        that of white noise of `ref_noise`; 1 without `ref_power`.
    """

    d: Image
    flux_new: Image
    flux_ref: Image
    variance: Image
    psf_d: Image
    ref_noise_share: float


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
        Including source noise.
    new_noise, ref_noise : electrons per pixel, above 0
        sigma_n, sigma_r of the sky.
    ref_power : (ny, nx // 2 + 1), optional
        Power spectrum of the reference's noise over ``ref_noise ** 2``, for a
        resampled reference. White when absent.

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
    power = np.float32(1) if ref_power is None else ref_power.astype(np.float32)

    f_d = 1 / np.hypot(new_noise, ref_noise)  # eq. 15
    d_scale, psf_d = _difference_filters(pn, pr, new_noise, ref_noise, power)
    d = fro((d_scale[0] * n - d_scale[1] * r) / np.float32(f_d))  # eq. 13
    psf = fro(psf_d / np.float32(f_d))  # eq. 14

    k_n, k_r, f_s = _score_filters(pn, pr, new_noise, ref_noise, power, shape)
    flux_new, flux_ref = fro(k_n * n), fro(k_r * r)  # S_n, S_r over F_S, eq. 12
    share = _weighted_mean(power, np.abs(k_r) ** 2, shape)
    variance = fro(  # eqs. 26-29
        to(new_variance) * to(fro(k_n) ** 2)
        + to(ref_variance) * to(fro(k_r) ** 2) * np.float32(share)
    )
    # Rounding of the transforms leaves a few pixels below what sky alone gives.
    floor = np.float32(0.1 / f_s)
    return Matched(
        d, flux_new, flux_ref, np.maximum(variance, floor), psf, float(share)
    )


def _difference_filters(
    pn: Spectrum, pr: Spectrum, s_n: float, s_r: float, power: Power | np.float32
) -> tuple[tuple[Spectrum, Spectrum], Spectrum]:
    """Filters of N and R in D (eq. 13), and F_D P_D (eq. 14)."""
    qn = pn + np.float32(WHITENING_FLOOR)
    qr = pr + np.float32(WHITENING_FLOOR)
    root = np.sqrt(
        np.float32(s_n**2) * _abs2(qr) + np.float32(s_r**2) * power * _abs2(qn)
    )
    return (qr / root, qn / root), pn * qr / root


def _score_filters(
    pn: Spectrum,
    pr: Spectrum,
    s_n: float,
    s_r: float,
    power: Power | np.float32,
    shape: tuple[int, ...],
) -> tuple[Spectrum, Spectrum, float]:
    """k_n and k_r over F_S (eqs. 28, 29, 12), and F_S, the sum of |P_n P_r|²/...."""
    an, ar = _abs2(pn), _abs2(pr)
    denominator = np.float32(s_n**2) * ar + np.float32(s_r**2) * power * an
    # Both PSFs vanish together only where neither image has signal: 0, not 0/0.
    inverse = 1 / np.maximum(denominator, np.finfo(np.float32).tiny * 1e6)
    signal = an * ar * inverse
    f_s = half_plane_sum(signal, shape) / float(np.prod(shape))
    scale = inverse / np.float32(f_s)
    k_n = np.asarray(np.conj(pn) * ar * scale, dtype=np.complex64)
    k_r = np.asarray(np.conj(pr) * an * scale, dtype=np.complex64)
    return k_n, k_r, f_s


def _abs2(spectrum: Spectrum) -> Power:
    return spectrum.real**2 + spectrum.imag**2


def half_plane_sum(half: Power, shape: tuple[int, ...]) -> float:
    """Sum over the whole plane of a quantity given on rfft2's half."""
    total = 2 * float(half.sum(dtype=np.float64)) - float(half[:, 0].sum())
    if shape[-1] % 2 == 0:
        total -= float(half[:, -1].sum())
    return total


def _weighted_mean(
    values: Power | np.float32, weights: Power, shape: tuple[int, ...]
) -> float:
    return half_plane_sum(values * weights, shape) / half_plane_sum(weights, shape)
