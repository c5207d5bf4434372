"""The plane a pair is transformed on, and the passes over it.

Frames are padded with zeros at their far edges only, as far as the filters reach, so
that nothing wraps around onto the frame. Spectra are written over as soon as they
have been used: at most ten frames lie in memory beside the inputs. The arithmetic of
one frequency is in `zogy_kernels`, the filters in `filters`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from astrid_assets.science.differencing import zogy_kernels
from astrid_assets.science.differencing.filters import (
    TINY,
    WHITENING_FLOOR,
    Design,
    Noises,
)
from astrid_assets.science.differencing.local_psf import POWERS, axis_terms
from astrid_assets.science.differencing.local_scales import local_scales
from astrid_assets.science.differencing.matched import Blurs, Matched
from astrid_assets.science.differencing.transform import (
    Spectrum,
    StampSpectrum,
    back_columns,
    back_rows,
    forward_columns,
    forward_rows,
    in_blocks,
    padded_shape,
)

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image

MIN_VARIANCE = 0.1  # of blank sky's: rounding leaves a few pixels below it


class Plane:
    """One pair on a plane padded so that nothing wraps around onto the frame.

    Parameters
    ----------
    shape
        Shape of the frame, (ny, nx) pixels.
    blurs
        What each image is blurred with, and the PSF of a source.
    noises
        Noise of blank sky of both images.

    Attributes
    ----------
    design
        The filters of the middle of the frame.
    """

    def __init__(self, shape: tuple[int, int], blurs: Blurs, noises: Noises) -> None:
        self._shape = shape
        self._blurs = blurs
        self._padded = padded_shape(shape, blurs.reach)
        self._noises = noises.axes(self._padded)
        self._sigmas = noises.science, noises.reference
        middle = (shape[1] - 1) / 2, (shape[0] - 1) / 2
        self._middle = blurs.at(*middle, shape)
        self.design = Design(*self._middle, noises)

    def matched(
        self, science: Image, reference: Image, science_variance: Image, reference_variance: Image
    ) -> Matched:
        """Compute all products where blurs and PSFs change over the frame.

        Parameters
        ----------
        science, reference : (ny, nx), electrons
            Registered, background-subtracted, scaled to the same flux.
        science_variance, reference_variance : (ny, nx), electrons squared
            Variance of single pixels.

        Returns
        -------
        matched : images of (ny, nx), electrons
            Each divided by the scale of its position.

        References
        ----------
        Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, eqs. 13, 17 and 26 to 29.
        """
        lines = self._variance_lines(science_variance, reference_variance)
        variance: Image = np.empty(self._shape, dtype=np.float32)
        d, flux, mean = (np.empty_like(variance) for _ in range(3))
        flux_science, flux_reference = np.empty_like(variance), np.empty_like(variance)
        products = self._local_lines(science, reference)
        by_y, along_x, psfs_d = local_scales(self.design, self._blurs, self._shape)
        least = MIN_VARIANCE / self.design.f_s

        def work(a: int, b: int) -> None:
            for spectrum, image in zip((*products, lines), (d, flux, mean, variance), strict=True):
                self._back(spectrum, image, a, b)
            zogy_kernels.scale_rows(
                d[a:b],
                flux[a:b],
                mean[a:b],
                variance[a:b],
                by_y[a:b],
                along_x,
                least,
                flux_science[a:b],
                flux_reference[a:b],
            )

        in_blocks(work, self._shape[0])
        return Matched(d, flux, flux_science, flux_reference, variance, psfs_d[0], psfs_d[1:])

    def result(
        self, d: Image, flux: Image, flux_science: Image, flux_reference: Image, variance: Image
    ) -> Matched:
        """Gather the products of constant PSFs; the variance gets its lower limit.

        Parameters
        ----------
        d, flux, flux_science, flux_reference : (ny, nx), electrons
            D over F_D, and S, S_n and S_r over F_S.
        variance : (ny, nx), electrons squared
            Variance of `flux`; limited in place.

        Returns
        -------
        matched : images of (ny, nx), electrons
            The same arrays with P_D.
        """
        least = np.float32(MIN_VARIANCE / self.design.f_s)
        np.maximum(variance, least, out=variance)
        return Matched(d, flux, flux_science, flux_reference, variance, self.design.psf_d)

    def variance(self, science_variance: Image, reference_variance: Image) -> Image:
        """Return the variance of the flux beyond blank sky: source noise, filtered.

        Parameters
        ----------
        science_variance, reference_variance : (ny, nx), electrons squared
            Variance of single pixels.

        Returns
        -------
        variance : (ny, nx), electrons squared
            V(S_n) + V(S_r) over F_S², less that of blank sky.

        References
        ----------
        Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, eqs. 26 and 27.
        """
        return self._frames(self._variance_lines(science_variance, reference_variance))[0]

    def _variance_lines(self, science_variance: Image, reference_variance: Image) -> Spectrum:
        """`variance`, before it is transformed back along x."""
        vn = self._lines(science_variance, float(self._sigmas[0] ** 2))
        vr = self._lines(reference_variance, float(self._sigmas[1] ** 2))
        kn2 = StampSpectrum(self.design.kn2, self._padded)
        kr2 = StampSpectrum(self.design.kr2, self._padded)

        def work(a: int, b: int) -> None:
            both = forward_columns(vn[:, a:b])
            zogy_kernels.variance_block(
                both, forward_columns(vr[:, a:b]), kn2.columns(a, b), kr2.columns(a, b)
            )
            vn[:, a:b] = back_columns(both)

        in_blocks(work, vn.shape[1])
        return vn

    def products(self, science: Image, reference: Image) -> tuple[Image, Image, Image]:
        """Return D, S_n and S_r, over F_D and F_S, of constant PSFs.

        Parameters
        ----------
        science, reference : (ny, nx), electrons
            Registered, background-subtracted, scaled to the same flux.

        Returns
        -------
        d, s_n, s_r : (ny, nx), electrons
            The difference, and the PSF fluxes of either image.

        References
        ----------
        Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, eqs. 12, 13, 31 and 33.
        """
        n, r = self._lines(science), self._lines(reference)
        d = np.empty_like(n)
        pr, pn = (StampSpectrum(stamp, self._padded) for stamp in self._middle[:2])
        (vny, vnx), (vry, vrx) = self._noises
        f_d, f_s = self.design.f_d, self.design.f_s

        def work(a: int, b: int) -> None:
            nb, rb = forward_columns(n[:, a:b]), forward_columns(r[:, a:b])
            db = np.empty_like(nb)
            zogy_kernels.match_block(
                nb,
                rb,
                pn.columns(a, b),
                pr.columns(a, b),
                db,
                vny,
                vnx[a:b],
                vry,
                vrx[a:b],
                f_d,
                f_s,
                WHITENING_FLOOR,
                TINY,
            )
            for block, lines in ((db, d), (nb, n), (rb, r)):
                lines[:, a:b] = back_columns(block)

        in_blocks(work, n.shape[1])
        d_image, s_n, s_r = self._frames(d, n, r)
        return d_image, s_n, s_r

    def _local_lines(self, science: Image, reference: Image) -> tuple[Spectrum, Spectrum, Spectrum]:
        """D, S and (S_n + S_r) / 2, over the middle's F_D and F_S; PSFs change.

        Before they are transformed back along x.
        """
        n, r = self._lines(science), self._lines(reference)
        c = self._crossed(n, r)
        s = np.empty_like(c)
        bn, br, pn = (StampSpectrum(stamp, self._padded) for stamp in self._middle)
        (vny, vnx), (vry, vrx) = self._noises
        f_d, f_s = self.design.f_d, self.design.f_s

        def work(a: int, b: int) -> None:
            cb, rb = forward_columns(c[:, a:b]), np.ascontiguousarray(r[:, a:b])
            sb = np.empty_like(cb)
            zogy_kernels.filter_block(
                cb,
                rb,
                bn.columns(a, b),
                br.columns(a, b),
                pn.columns(a, b),
                sb,
                vny,
                vnx[a:b],
                vry,
                vrx[a:b],
                f_d,
                f_s,
                WHITENING_FLOOR,
                TINY,
            )
            for block, lines in ((cb, c), (sb, s), (rb, r)):
                lines[:, a:b] = back_columns(block)

        in_blocks(work, c.shape[1])
        return c, s, r

    def _crossed(self, n: Spectrum, r: Spectrum) -> Spectrum:
        """Both images blurred with the blurs of each position, subtracted.

        Both are given transformed along x only, and so is the result, in place of
        `n`. The mean of both, blurred as in the middle, is left in place of `r`,
        transformed along both axes. On the padded plane: what is blurred over the
        edge belongs to the frame.

        A term's factor along y is multiplied where only columns have been transformed
        back, so all terms of the same power of x share one transform along rows.
        """
        ny, nx = self._padded
        rows, columns = np.arange(ny, dtype=float), np.arange(nx, dtype=float)
        # Beyond the frame's far edge lies what wraps around from before its near one.
        rows[(self._shape[0] + ny) // 2 :] -= ny
        columns[(self._shape[1] + nx) // 2 :] -= nx
        count = len(self._blurs.science)
        along_x, along_y = (
            np.ascontiguousarray(v.T, dtype=np.float32)
            for v in axis_terms(columns, rows, self._shape, count)
        )
        bn = [StampSpectrum(stamp, self._padded) for stamp in self._blurs.science]
        br = [StampSpectrum(stamp, self._padded) for stamp in self._blurs.reference]
        powers = [power for power, _ in POWERS[:count]]
        sums = [n, *(np.zeros_like(n) for _ in range(max(powers)))]

        def cross(a: int, b: int) -> None:
            nb, rb = forward_columns(n[:, a:b]), forward_columns(r[:, a:b])
            n[:, a:b] = 0
            part = np.empty_like(nb)
            for k in reversed(range(count)):  # the first, the middle's, loses `r`
                zogy_kernels.cross_block(
                    nb, rb, bn[k].columns(a, b), br[k].columns(a, b), part, k > 0
                )
                zogy_kernels.add_scaled(sums[powers[k]][:, a:b], back_columns(part), along_y[k])
            r[:, a:b] = rb

        in_blocks(cross, n.shape[1])

        def join(a: int, b: int) -> None:
            total = back_rows(n[a:b], nx)
            for power in range(1, len(sums)):
                factor = along_x[powers.index(power)]
                zogy_kernels.sum_scaled(total, back_rows(sums[power][a:b], nx), factor)
            n[a:b] = np.asarray(fft.rfft(total, axis=1))

        in_blocks(join, ny)
        return n

    def _lines(self, image: Image, level: float = 0.0) -> Spectrum:
        """Transform an image less a level along x, on the padded plane."""
        return forward_rows(image, self._padded, level)

    def _back(self, lines: Spectrum, out: Image, first: int, last: int) -> None:
        """Transform some rows back along x, to those of the frame."""
        rows = back_rows(lines[first:last], self._padded[1])
        out[first:last] = rows[:, : self._shape[1]]

    def _frames(self, *planes: Spectrum) -> list[Image]:
        """Transform planes back along x, to the frame."""
        images: list[Image] = [np.empty(self._shape, np.float32) for _ in planes]

        def work(a: int, b: int) -> None:
            for lines, image in zip(planes, images, strict=True):
                self._back(lines, image, a, b)

        in_blocks(work, self._shape[0])
        return images
