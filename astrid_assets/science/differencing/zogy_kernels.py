"""ZOGY's products, frequency by frequency: one pass over a block of spectra.

Arrays are blocks of columns of rfft2's half plane, (ny, columns) of complex64; noise
powers are (ny,) along y and (columns,) along x. The order of every sum is such that
swapping both images changes signs and nothing else. No transform is made here: that
is `transform`'s, and the order of the passes is `plane`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.compiled import compiled

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image

Block: TypeAlias = NDArray[np.complex64]
Line: TypeAlias = NDArray[np.float32]


@compiled
def match_block(
    n: Block,
    r: Block,
    pn: Block,
    pr: Block,
    d: Block,
    vny: Line,
    vnx: Line,
    vry: Line,
    vrx: Line,
    f_d: float,
    f_s: float,
    floor: float,
    tiny: float,
) -> None:
    """Write D to `d`, and S_n and S_r over the images `n` and `r`.

    Parameters
    ----------
    n, r : (ny, columns), complex
        Spectra of science and reference, N and R; overwritten with S_n and S_r over F_S.
    pn, pr : (ny, columns), complex
        Spectra of their PSFs, P_n and P_r.
    d : (ny, columns), complex
        Receives D over F_D.
    vny, vnx : (ny,) and (columns,), electrons squared
        Noise power of the science image; their product is sigma_n².
    vry, vrx : (ny,) and (columns,), electrons squared
        Noise power of the reference; their product is sigma_r².
    f_d, f_s
        F_D and F_S.
    floor
        Added to both PSFs where D is whitened: `filters.WHITENING_FLOOR`.
    tiny
        Least denominator of S: `filters.TINY`.

    References
    ----------
    Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, eq. 13 (D), eqs. 12, 31 and 33 (S_n and
    S_r; S is their difference).
    """
    over_d, over_s = np.float32(1 / f_d), np.float32(1 / f_s)
    q, least = np.float32(floor), np.float32(tiny)
    for i in range(n.shape[0]):
        for j in range(n.shape[1]):
            a, b = pn[i, j], pr[i, j]
            power_n, power_r = vny[i] * vnx[j], vry[i] * vrx[j]
            an = a.real * a.real + a.imag * a.imag
            ar = b.real * b.real + b.imag * b.imag
            qn, qr = a.real + q, b.real + q
            un, ur = qn * qn + a.imag * a.imag, qr * qr + b.imag * b.imag
            white = over_d / np.sqrt(power_n * ur + power_r * un)
            score = over_s / max(power_n * ar + power_r * an, least)
            x, y = n[i, j], r[i, j]
            # D = (Q_r N - Q_n R) / root, eq. 13.
            real = (qr * x.real - b.imag * x.imag) - (qn * y.real - a.imag * y.imag)
            imag = (qr * x.imag + b.imag * x.real) - (qn * y.imag + a.imag * y.real)
            d[i, j] = complex(real * white, imag * white)
            # S_n = conj(P_n) |P_r|² N / (...), eq. 31, and S_r, eq. 33, over F_S.
            kn, kr = ar * score, an * score
            n[i, j] = complex(
                (a.real * x.real + a.imag * x.imag) * kn,
                (a.real * x.imag - a.imag * x.real) * kn,
            )
            r[i, j] = complex(
                (b.real * y.real + b.imag * y.imag) * kr,
                (b.real * y.imag - b.imag * y.real) * kr,
            )


@compiled
def cross_block(n: Block, r: Block, bn: Block, br: Block, out: Block, keeps: bool) -> None:
    """Write ``b_n N - b_r R``: both images blurred to look alike, subtracted.

    Their mean is written over `r` unless that is kept.

    Parameters
    ----------
    n, r : (ny, columns), complex
        Spectra of science and reference, N and R.
    bn, br : (ny, columns), complex
        Spectra of their blurs, b_n and b_r.
    out : (ny, columns), complex
        Receives the difference.
    keeps
        Whether `r` stays as it is.
    """
    half = np.float32(0.5)
    for i in range(n.shape[0]):
        for j in range(n.shape[1]):
            a, b, x, y = br[i, j], bn[i, j], n[i, j], r[i, j]
            science_real = b.real * x.real - b.imag * x.imag
            science_imag = b.real * x.imag + b.imag * x.real
            reference_real = a.real * y.real - a.imag * y.imag
            reference_imag = a.real * y.imag + a.imag * y.real
            out[i, j] = complex(science_real - reference_real, science_imag - reference_imag)
            if not keeps:
                r[i, j] = complex(
                    half * (science_real + reference_real), half * (science_imag + reference_imag)
                )


@compiled
def filter_block(
    c: Block,
    r: Block,
    bn: Block,
    br: Block,
    pn: Block,
    s: Block,
    vny: Line,
    vnx: Line,
    vry: Line,
    vrx: Line,
    f_d: float,
    f_s: float,
    floor: float,
    tiny: float,
) -> None:
    """Write S to `s`, D over the blurred difference `c`, and the filtered mean over `r`.

    Parameters
    ----------
    c, r : (ny, columns), complex
        Difference and mean of the blurred images; overwritten with D over F_D and with
        (S_n + S_r) / 2 over F_S.
    bn, br : (ny, columns), complex
        Spectra of the blurs, b_n and b_r; P_r and P_n for ZOGY.
    pn : (ny, columns), complex
        Spectrum of a source in the science image, P_n.
    s : (ny, columns), complex
        Receives S over F_S.
    vny, vnx : (ny,) and (columns,), electrons squared
        Noise power of the science image; their product is sigma_n².
    vry, vrx : (ny,) and (columns,), electrons squared
        Noise power of the reference; their product is sigma_r².
    f_d, f_s
        F_D and F_S.
    floor
        Added to both blurs where D is whitened: `filters.WHITENING_FLOOR`.
    tiny
        Least denominator of S: `filters.TINY`.

    References
    ----------
    Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, eq. 13 (D) and eq. 17 (S = F_D D filtered
    with P_D).
    """
    over_d, over_s = np.float32(1 / f_d), np.float32(1 / f_s)
    q, least = np.float32(floor), np.float32(tiny)
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            a, b, p, x, y = br[i, j], bn[i, j], pn[i, j], c[i, j], r[i, j]
            power_n, power_r = vny[i] * vnx[j], vry[i] * vrx[j]
            an = a.real * a.real + a.imag * a.imag
            ar = b.real * b.real + b.imag * b.imag
            qn, qr = a.real + q, b.real + q
            un, ur = qn * qn + a.imag * a.imag, qr * qr + b.imag * b.imag
            white = over_d / np.sqrt(power_n * ur + power_r * un)
            score = over_s / max(power_n * ar + power_r * an, least)
            # The matched filter, conj(b_n P_n), of eq. 17.
            real = (p.real * b.real - p.imag * b.imag) * score
            imag = -(p.real * b.imag + p.imag * b.real) * score
            s[i, j] = complex(real * x.real - imag * x.imag, real * x.imag + imag * x.real)
            c[i, j] = complex(x.real * white, x.imag * white)
            r[i, j] = complex(real * y.real - imag * y.imag, real * y.imag + imag * y.real)


@compiled
def variance_block(vn: Block, vr: Block, kn2: Block, kr2: Block) -> None:
    """Write ``V_n k_n² + V_r k_r²`` over `vn`.

    Parameters
    ----------
    vn, vr : (ny, columns), complex
        Spectra of the variance images of science and reference; `vn` is overwritten.
    kn2, kr2 : (ny, columns), complex
        Spectra of the squared kernels k_n and k_r over F_S.

    References
    ----------
    Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, eqs. 26 and 27.
    """
    for i in range(vn.shape[0]):
        for j in range(vn.shape[1]):
            vn[i, j] = vn[i, j] * kn2[i, j] + vr[i, j] * kr2[i, j]


@compiled
def add_scaled(total: Block, part: Block, along_y: Line) -> None:
    """Add a block of columns times a factor of each row.

    Parameters
    ----------
    total : (ny, columns), complex
        What is added to, in place.
    part : (ny, columns), complex
        The block.
    along_y : (ny,)
        Factors.
    """
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            total[i, j] += part[i, j] * along_y[i]


@compiled
def sum_scaled(total: Image, plane: Image, along_x: Line) -> None:
    """Add a block of rows times a factor of each column.

    Parameters
    ----------
    total : (rows, nx)
        What is added to, in place.
    plane : (rows, nx)
        The block.
    along_x : (nx,)
        Factors.
    """
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            total[i, j] += plane[i, j] * along_x[j]


@compiled
def scale_rows(
    d: Image,
    flux: Image,
    mean: Image,
    variance: Image,
    by_y: Image,
    along_x: NDArray[np.float32],
    least: float,
    flux_science: Image,
    flux_reference: Image,
) -> None:
    """Divide the products of some rows by what the filters do at each position.

    `variance` is divided and grows by that of the sky; fluxes of either image are
    written.

    Parameters
    ----------
    d, flux, mean, variance : (rows, nx)
        Products with the scales of the middle of the frame; all but `mean` are changed
        in place.
    by_y : (rows, k)
        Factors along y.
    along_x : (3, k, nx)
        Factors along x: the scale of D, that of the flux, and the variance of the sky are
        ``by_y @ along_x``.
    least : electrons squared
        Least variance of a pixel.
    flux_science, flux_reference : (rows, nx)
        Receive the PSF fluxes of either image.
    """
    nx = d.shape[1]
    half, one, floor = np.float32(0.5), np.float32(1), np.float32(least)
    scales = np.empty((3, nx), dtype=np.float32)
    for i in range(d.shape[0]):
        scales[:] = 0
        for which in range(3):
            for k in range(by_y.shape[1]):
                weight = by_y[i, k]
                for j in range(nx):
                    scales[which, j] += weight * along_x[which, k, j]
        for j in range(nx):
            over = one / scales[1, j]
            d[i, j] /= scales[0, j]
            # From their mean, so that swapping both images swaps both fluxes exactly.
            change, middle = flux[i, j] * over, mean[i, j] * over
            flux[i, j] = change
            flux_science[i, j] = middle + half * change
            flux_reference[i, j] = middle - half * change
            variance[i, j] = max(variance[i, j] * over * over + scales[2, j], floor)
