"""What ZOGY's filters do, computed on a small plane from the PSFs alone.

Scales, the noise of blank sky and every kernel that is a stamp (P_D, k_n², k_r²)
need no transform of a frame: the kernels are no wider than a few PSFs.

References
----------
Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27 (equation numbers below).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from astrid_assets.science.differencing.transform import StampSpectrum, back

if TYPE_CHECKING:
    from astrid_assets.science.differencing.transform import Real
    from astrid_assets.science.frame import Image

Axes: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Noise power along y (ny,) and along rfft2's half of x; their product is that on
the half plane, electrons squared per pixel."""

PowerOn: TypeAlias = Callable[[tuple[int, int]], Axes]
"""Power of a noise over that of white noise, on rfft2's half of a shape."""

WHITENING_FLOOR = 1e-5
"""Where both PSFs' transforms are below this, D is the plain difference: their
ratio would be that of the errors of the PSF stamps."""

TINY = 1e-30
"""Both PSFs vanish together only where neither image has signal: 0, not 0/0."""

PLANE_PSFS = 3
"""Side of the small plane in PSF stamps: what wraps around is below 1e-4."""


def white(shape: tuple[int, int]) -> Axes:
    """Return the power of white noise: 1."""
    return (
        np.ones(shape[0], dtype=np.float32),
        np.ones(shape[1] // 2 + 1, dtype=np.float32),
    )


@dataclass(frozen=True)
class Noises:
    """The noise of both images' blank sky: scatter of a pixel, and its spectrum."""

    new: float
    ref: float
    new_power: PowerOn = white
    ref_power: PowerOn = white

    def axes(self, shape: tuple[int, int]) -> tuple[Axes, Axes]:
        """Return the noise power of both images, separately along y and x."""
        (ny, nx), (ry, rx) = self.new_power(shape), self.ref_power(shape)
        new = np.float32(self.new**2) * np.asarray(ny, dtype=np.float32)
        ref = np.float32(self.ref**2) * np.asarray(ry, dtype=np.float32)
        return (
            (new, np.asarray(nx, dtype=np.float32)),
            (ref, np.asarray(rx, dtype=np.float32)),
        )


class Design:
    """Filters for one pair of PSFs, and what they do to another pair.

    Attributes
    ----------
    f_d, f_s
        F_D and F_S: the sum of ``P_n P_r / root`` and of ``|P_n P_r|² / ...``.
    psf_d : (n, n), unit sum, centred
    kn2, kr2 : (n, n), centred
        Squares of k_n / F_S and k_r / F_S.
    """

    def __init__(self, new_psf: Image, ref_psf: Image, noises: Noises) -> None:
        size = max(new_psf.shape[0], ref_psf.shape[0])
        n = int(fft.next_fast_len(PLANE_PSFS * size, real=True) or 0)
        self._shape = (n, n)
        (vny, vnx), (vry, vrx) = noises.axes(self._shape)
        self._vn, self._vr = np.outer(vny, vnx), np.outer(vry, vrx)
        pn, pr = self._spectrum(new_psf), self._spectrum(ref_psf)
        an, ar = _abs2(pn), _abs2(pr)
        qn, qr = pn + WHITENING_FLOOR, pr + WHITENING_FLOOR
        root = np.sqrt(self._vn * _abs2(qr) + self._vr * _abs2(qn))  # eq. 13
        self._white = 1 / root
        delta = np.maximum(self._vn * ar + self._vr * an, TINY)
        self._score = np.conj(pn * pr) / delta
        self.f_d = float((pn * qr / root)[0, 0].real)
        self.f_s = self._mean(an * ar / delta)
        self.psf_d = self._stamp(pn * qr / root / self.f_d, size)  # eq. 14
        self.kn2 = self._stamp(self._score * pr / self.f_s, size) ** 2  # eqs. 28, 29
        self.kr2 = self._stamp(self._score * pn / self.f_s, size) ** 2

    def local(self, new_psf: Image, ref_psf: Image) -> tuple[float, float, float]:
        """Return F_D, F_S and the variance of S on blank sky where the PSFs are these.

        The filters stay those of the design; only the images' PSFs differ. The
        variance is in units of a flux: over F_S².
        """
        pn, pr = self._spectrum(new_psf), self._spectrum(ref_psf)
        f_s = self._mean((self._score * pn * pr).real)
        noise = self._vn * _abs2(pr) + self._vr * _abs2(pn)
        variance = self._mean(np.abs(self._score) ** 2 * noise) / f_s**2
        return float((pn * pr * self._white)[0, 0].real), f_s, variance

    def local_psf_d(self, new_psf: Image, ref_psf: Image) -> Image:
        """Return what a point source looks like on D where the PSFs are these."""
        pn, pr = self._spectrum(new_psf), self._spectrum(ref_psf)
        psf = self._stamp(pn * pr * self._white, max(len(new_psf), len(ref_psf)))
        return (psf / psf.sum()).astype(np.float32)

    def _spectrum(self, stamp: Image) -> NDArray[np.complex128]:
        return StampSpectrum(stamp, self._shape).whole().astype(np.complex128)

    def _stamp(self, spectrum: NDArray[np.complex128], size: int) -> Image:
        half = size // 2
        plane = np.roll(back(spectrum, self._shape), (half, half), axis=(0, 1))
        return np.ascontiguousarray(plane[:size, :size], dtype=np.float32)

    def _mean(self, half_plane: Real) -> float:
        return half_plane_sum(half_plane, self._shape) / float(np.prod(self._shape))


def half_plane_sum(half: Real, shape: tuple[int, ...]) -> float:
    """Sum over the whole plane of a quantity given on rfft2's half."""
    total = 2 * float(half.sum(dtype=np.float64)) - float(half[:, 0].sum())
    if shape[-1] % 2 == 0:
        total -= float(half[:, -1].sum())
    return total


def _abs2(spectrum: NDArray[np.complexfloating]) -> Real:
    return np.square(np.real(spectrum)) + np.square(np.imag(spectrum))
