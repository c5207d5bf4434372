"""The plane a pair is transformed on, and the passes over it.

Frames are padded with zeros at their far edges only, as far as the filters reach, so
that nothing wraps around onto the frame. Spectra are written over as soon as they
have been used: at most ten frames lie in memory beside the inputs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft
from scipy.interpolate import make_interp_spline

from astrid_assets.science.differencing import zogy_kernels
from astrid_assets.science.differencing.filters import (
    TINY,
    WHITENING_FLOOR,
    Design,
    Noises,
)
from astrid_assets.science.differencing.local_psf import axis_terms, fitted, terms
from astrid_assets.science.differencing.matched import Blurs, Matched
from astrid_assets.science.differencing.transform import (
    Spectrum,
    StampSpectrum,
    forward,
    in_blocks,
    padded_shape,
)
from astrid_assets.science.threads import in_bands, threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from astrid_assets.science.differencing.local_psf import Stamps
    from astrid_assets.science.frame import Image

SCALE_SAMPLES = 5  # positions per axis at which flux scale and noise are computed
MIN_VARIANCE = 0.1  # of blank sky's: rounding leaves a few pixels below it


class Plane:
    """One pair on a plane padded so that nothing wraps around onto the frame."""

    def __init__(self, shape: tuple[int, int], blurs: Blurs, noises: Noises) -> None:
        self._shape = shape
        self._blurs = blurs
        self._padded = padded_shape(shape, blurs.reach)
        self._noises = noises.axes(self._padded)
        self._sigmas = noises.new, noises.ref
        middle = (shape[1] - 1) / 2, (shape[0] - 1) / 2
        self._middle = blurs.at(*middle, shape)
        self.design = Design(*self._middle, noises)

    def matched(
        self, new: Image, ref: Image, new_variance: Image, ref_variance: Image
    ) -> Matched:
        """All products where blurs and PSFs change over the frame."""
        variance = self.variance(new_variance, ref_variance)
        d, flux, mean = self.local_products(new, ref)
        flux_scale, d_scale, sky, psfs_d = self.scales()
        d /= d_scale
        flux /= flux_scale
        mean /= flux_scale
        variance /= flux_scale**2
        variance += sky
        # From their mean, so that swapping both images swaps both fluxes exactly.
        half: Image = np.multiply(flux, np.float32(0.5))
        matched = self.result(d, flux, mean + half, mean - half, variance)
        return replace(matched, psf_d=psfs_d[0], psf_d_changes=psfs_d[1:])

    def result(
        self, d: Image, flux: Image, flux_new: Image, flux_ref: Image, variance: Image
    ) -> Matched:
        """Gather the products."""
        least = np.float32(MIN_VARIANCE / self.design.f_s)
        np.maximum(variance, least, out=variance)
        return Matched(d, flux, flux_new, flux_ref, variance, self.design.psf_d)

    def variance(self, new_variance: Image, ref_variance: Image) -> Image:
        """Variance of the flux beyond blank sky: source noise through the filters."""
        vn = self._forward(new_variance - np.float32(self._sigmas[0] ** 2))
        vr = self._forward(ref_variance - np.float32(self._sigmas[1] ** 2))
        kn2 = StampSpectrum(self.design.kn2, self._padded)
        kr2 = StampSpectrum(self.design.kr2, self._padded)

        def work(a: int, b: int) -> None:
            zogy_kernels.variance_block(
                vn[:, a:b], vr[:, a:b], kn2.columns(a, b), kr2.columns(a, b)
            )

        in_blocks(work, vn.shape[1])
        return self._back(vn)

    def products(self, new: Image, ref: Image) -> tuple[Image, Image, Image]:
        """D, S_n and S_r, over F_D and F_S, of constant PSFs."""
        n, r = self._forward(new), self._forward(ref)
        d = np.empty_like(n)
        pr, pn = (StampSpectrum(stamp, self._padded) for stamp in self._middle[:2])
        (vny, vnx), (vry, vrx) = self._noises
        f_d, f_s = self.design.f_d, self.design.f_s

        def work(a: int, b: int) -> None:
            zogy_kernels.match_block(
                n[:, a:b], r[:, a:b], pn.columns(a, b), pr.columns(a, b), d[:, a:b],
                vny, vnx[a:b], vry, vrx[a:b], f_d, f_s, WHITENING_FLOOR, TINY,
            )  # fmt: skip

        in_blocks(work, n.shape[1])
        return self._back(d), self._back(n), self._back(r)

    def local_products(self, new: Image, ref: Image) -> tuple[Image, Image, Image]:
        """D, S and (S_n + S_r) / 2, over the middle's F_D and F_S; PSFs change."""
        n, r = self._forward(new), self._forward(ref)
        crossed = self._crossed(n, r)
        del n
        c = self._forward(crossed)
        del crossed
        s = np.empty_like(c)
        bn, br, pn = (StampSpectrum(stamp, self._padded) for stamp in self._middle)
        (vny, vnx), (vry, vrx) = self._noises
        f_d, f_s = self.design.f_d, self.design.f_s

        def work(a: int, b: int) -> None:
            zogy_kernels.filter_block(
                c[:, a:b], r[:, a:b],
                bn.columns(a, b), br.columns(a, b), pn.columns(a, b), s[:, a:b],
                vny, vnx[a:b], vry, vrx[a:b], f_d, f_s, WHITENING_FLOOR, TINY,
            )  # fmt: skip

        in_blocks(work, c.shape[1])
        return self._back(c), self._back(s), self._back(r)

    def _crossed(self, n: Spectrum, r: Spectrum) -> Image:
        """Both images blurred with the blurs of each place, subtracted.

        The mean of both, blurred as in the middle, is left in place of `r`.
        On the padded plane: what is blurred over the edge belongs to the frame.
        """
        ny, nx = self._padded
        rows, columns = np.arange(ny, dtype=float), np.arange(nx, dtype=float)
        # Beyond the frame's far edge lies what wraps around from before its near one.
        rows[(self._shape[0] + ny) // 2 :] -= ny
        columns[(self._shape[1] + nx) // 2 :] -= nx
        count = len(self._blurs.new)
        along_x, along_y = (
            np.ascontiguousarray(v.T, dtype=np.float32)
            for v in axis_terms(columns, rows, self._shape, count)
        )
        total = np.zeros(self._padded, dtype=np.float32)
        part = np.empty_like(n)
        for k in reversed(range(count)):  # the first, the middle's, loses `r`
            bn = StampSpectrum(self._blurs.new[k], self._padded)
            br = StampSpectrum(self._blurs.ref[k], self._padded)
            in_blocks(_crosser(n, r, bn, br, part, keeps=k > 0), n.shape[1])
            plane = self._whole(part)
            add = _adder(total, plane, along_y[k], along_x[k])
            in_bands(add, ny)
        return total

    def scales(self) -> tuple[Image, Image, Image, Stamps]:
        """Return flux and D scale over the middle's, the sky's variance, and P_D.

        The first three are (ny, nx): a source's response to the middle's filters where
        its PSF is another. P_D comes as terms of `local_psf`.
        """
        ny, nx = self._shape
        grid_y, grid_x = (np.linspace(0, n - 1, SCALE_SAMPLES) for n in (ny, nx))
        found = [
            self.design.local(*self._blurs.at(x, y, self._shape))
            for y in grid_y
            for x in grid_x
        ]
        values = np.reshape([f[:3] for f in found], (SCALE_SAMPLES, SCALE_SAMPLES, 3))
        y, x = (axis.ravel() for axis in np.meshgrid(grid_y, grid_x, indexing="ij"))
        psfs_d, _ = fitted(
            np.array([f[3] for f in found]),
            terms(x, y, self._shape, len(self._blurs.new)),
        )
        unit = np.eye(SCALE_SAMPLES)
        by_y = make_interp_spline(grid_y, unit, k=3)(np.arange(ny))
        by_x = make_interp_spline(grid_x, unit, k=3)(np.arange(nx))
        f_d, f_s, sky = (
            np.asarray(by_y @ values[..., k] @ by_x.T, dtype=np.float32)
            for k in range(3)
        )
        middle = np.float32(self.design.f_s), np.float32(self.design.f_d)
        return f_s / middle[0], f_d / middle[1], sky, psfs_d

    def _forward(self, image: Image) -> Spectrum:
        return forward(image, self._padded, threads())

    def _whole(self, spectrum: Spectrum) -> Image:
        """Transform back to the padded plane; the spectrum is lost."""
        columns = fft.ifft(spectrum, axis=0, overwrite_x=True, workers=threads())
        return np.asarray(fft.irfft(columns, n=self._padded[1], workers=threads()))

    def _back(self, spectrum: Spectrum) -> Image:
        """Transform back to the frame; the spectrum is lost."""
        columns = fft.ifft(spectrum, axis=0, overwrite_x=True, workers=threads())
        ny, nx = self._shape
        rows = np.asarray(fft.irfft(columns[:ny], n=self._padded[1], workers=threads()))
        return np.ascontiguousarray(rows[:, :nx])


def _crosser(
    n: Spectrum, r: Spectrum, bn: StampSpectrum, br: StampSpectrum, out: Spectrum,
    *, keeps: bool,
) -> Callable[[int, int], None]:  # fmt: skip
    def cross(a: int, b: int) -> None:
        zogy_kernels.cross_block(
            n[:, a:b], r[:, a:b], bn.columns(a, b), br.columns(a, b), out[:, a:b], keeps
        )

    return cross


def _adder(
    total: Image, plane: Image, along_y: NDArray[np.float32],
    along_x: NDArray[np.float32],
) -> Callable[[int, int], None]:  # fmt: skip
    def add(first: int, last: int) -> None:
        zogy_kernels.add_scaled(total, plane, along_y, along_x, first, last)

    return add
