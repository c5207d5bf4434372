"""What ZOGY's filters do, computed on a small plane from the PSFs alone.

Scales, the noise of blank sky and every kernel that is a stamp (P_D, k_n², k_r²)
need no transform of a frame: the kernels are no wider than a few PSFs. The filters
are applied to frames in `plane`.

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
    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.differencing.transform import Real

Axes: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Noise power along y (ny,) and along rfft2's half of x; their product is that on
the half plane, electrons squared per pixel."""

PowerOn: TypeAlias = Callable[[tuple[int, int]], Axes]
"""Power of a noise over that of white noise, on rfft2's half of a shape."""

WHITENING_FLOOR = 1e-5
"""Where both PSFs' transforms are below this, D is the plain difference: the ratio of the
transforms would only reflect the errors of the PSF stamps."""

TINY = 1e-30
"""Least denominator of S: where both PSFs vanish there is no signal, and S is 0, not 0/0."""

PLANE_PSFS = 3
"""Side of the small plane in PSF stamps: the light that wraps around is below 1e-4."""


def white(shape: tuple[int, int]) -> Axes:
    """Return the power of white noise: 1.

    Parameters
    ----------
    shape
        Shape of the plane, (ny, nx) pixels.

    Returns
    -------
    along_y, along_x : (ny,) and (nx // 2 + 1,)
        Ones.
    """
    return (
        np.ones(shape[0], dtype=np.float32),
        np.ones(shape[1] // 2 + 1, dtype=np.float32),
    )


@dataclass(frozen=True)
class Noises:
    """The noise of both images' blank sky: scatter of a pixel, and its spectrum.

    Attributes
    ----------
    science, reference : electrons per pixel
        sigma_n and sigma_r.
    science_power, reference_power
        Power over that of white noise, on a plane of any shape.
    """

    science: float
    reference: float
    science_power: PowerOn = white
    reference_power: PowerOn = white

    def axes(self, shape: tuple[int, int]) -> tuple[Axes, Axes]:
        """Return the noise power of both images, separately along y and x.

        Parameters
        ----------
        shape
            Shape of the plane, (ny, nx) pixels.

        Returns
        -------
        science, reference : (ny,) and (nx // 2 + 1,), electrons squared
            The product of each pair is the power on rfft2's half plane.
        """
        (ny, nx), (ry, rx) = self.science_power(shape), self.reference_power(shape)
        science = np.float32(self.science**2) * np.asarray(ny, dtype=np.float32)
        reference = np.float32(self.reference**2) * np.asarray(ry, dtype=np.float32)
        return (
            (science, np.asarray(nx, dtype=np.float32)),
            (reference, np.asarray(rx, dtype=np.float32)),
        )


class Design:
    """Filters for one position, and what they do to the PSFs of another.

    Both images are blurred so that constant stars look alike, and subtracted; a source
    that appears then looks like ``b_n P_n``. ZOGY blurs each with the other's PSF, and
    its filters are those that whiten and match this difference, whatever the blurs.

    Parameters
    ----------
    blur_science, blur_reference : (n, n)
        b_n and b_r; for ZOGY P_r and P_n.
    source : (n, n), unit sum
        P_n.
    noises
        sigma_n² and sigma_r² at each frequency.

    Attributes
    ----------
    f_d, f_s
        F_D and F_S. With root = sqrt(sigma_n² |b_n|² + sigma_r² |b_r|²), F_D is
        ``b_n P_n / root`` at frequency 0, and F_S the mean of ``|b_n P_n / root|²`` over
        all frequencies.
    psf_d : (n, n), unit sum, centred
        P_D.
    kn2, kr2 : (n, n), centred
        Squares of k_n / F_S and k_r / F_S.

    References
    ----------
    Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27: root is the denominator of eq. 13, psf_d is
    eq. 14, f_d eq. 15, and the kernels are eqs. 28 and 29.
    """

    def __init__(
        self, blur_science: Image, blur_reference: Image, source: Image, noises: Noises
    ) -> None:
        size = max(len(blur_science), len(blur_reference), len(source))
        n = int(fft.next_fast_len(PLANE_PSFS * size, real=True) or 0)
        self._shape = (n, n)
        (vny, vnx), (vry, vrx) = noises.axes(self._shape)
        self._vn, self._vr = np.outer(vny, vnx), np.outer(vry, vrx)
        bn, br = self._spectrum(blur_science), self._spectrum(blur_reference)
        seen = bn * self._spectrum(source)
        whitened = self._noise(bn + WHITENING_FLOOR, br + WHITENING_FLOOR)
        self._white = 1 / np.sqrt(whitened)  # one over the denominator of eq. 13
        delta = np.maximum(self._noise(bn, br), TINY)
        self._score = np.conj(seen) / delta
        self.f_d = float((seen * self._white)[0, 0].real)  # eq. 15: at frequency 0, P = 1
        self.f_s = self._mean((self._score * seen).real)
        self.psf_d = self._stamp(seen * self._white / self.f_d, size)  # eq. 14
        self.kn2 = self._stamp(self._score * bn / self.f_s, size) ** 2  # eqs. 28, 29
        self.kr2 = self._stamp(self._score * br / self.f_s, size) ** 2

    def local(
        self, blur_science: Image, blur_reference: Image, source: Image
    ) -> tuple[float, float, float, Image]:
        """Return what the filters of the design do where other blurs and PSFs hold.

        Parameters
        ----------
        blur_science, blur_reference : (n, n)
            b_n and b_r at that position.
        source : (n, n), unit sum
            P_n at that position.

        Returns
        -------
        f_d, f_s
            Responses of D and S to a source of unit flux there.
        variance : electrons squared
            Variance of the flux on blank sky: that of S over F_S².
        psf_d : (n, n), unit sum, centred
            P_D there.

        References
        ----------
        Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, eqs. 14, 15 and 17, with the filters of
        another position.
        """
        bn, br = self._spectrum(blur_science), self._spectrum(blur_reference)
        seen = bn * self._spectrum(source)
        f_s = self._mean((self._score * seen).real)
        noise = np.abs(self._score) ** 2 * self._noise(bn, br)
        f_d = float((seen * self._white)[0, 0].real)
        psf_d = self._stamp(seen * self._white / f_d, len(self.psf_d))
        return f_d, f_s, self._mean(noise) / f_s**2, psf_d

    def _noise(self, bn: NDArray[np.complex128], br: NDArray[np.complex128]) -> Real:
        return self._vn * np.abs(bn) ** 2 + self._vr * np.abs(br) ** 2

    def _spectrum(self, stamp: Image) -> NDArray[np.complex128]:
        return StampSpectrum(stamp, self._shape).whole().astype(np.complex128)

    def _stamp(self, spectrum: NDArray[np.complex128], size: int) -> Image:
        half = size // 2
        plane = np.roll(back(spectrum, self._shape), (half, half), axis=(0, 1))
        return np.ascontiguousarray(plane[:size, :size], dtype=np.float32)

    def _mean(self, half_plane: Real) -> float:
        return half_plane_sum(half_plane, self._shape) / float(np.prod(self._shape))


def half_plane_sum(half: Real, shape: tuple[int, ...]) -> float:
    """Sum over the whole plane of a quantity given on rfft2's half.

    Parameters
    ----------
    half : (ny, nx // 2 + 1)
        Equal at opposite frequencies.
    shape
        Shape of the whole plane, (ny, nx).

    Returns
    -------
    total
        In the unit of `half`.
    """
    total = 2 * float(half.sum(dtype=np.float64)) - float(half[:, 0].sum())
    if shape[-1] % 2 == 0:
        total -= float(half[:, -1].sum())
    return total
