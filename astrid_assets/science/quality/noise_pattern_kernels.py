"""Kernels of the noise patterns: blank sky, its sums over strips, its spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image


@compiled
def halve_snr(
    residual: Image,
    rms: Image,
    bad: NDArray[np.bool_],
    low: float,
    high: float,
    small: Image,
    first: int,
    last: int,
) -> None:
    """Average the clipped S/N of each 2 x 2 pixels; bad ones are 0.

    Parameters
    ----------
    residual, rms : (ny, nx), electrons
        The frame without its sky, and the noise of the sky.
    bad : (ny, nx)
        True where a pixel cannot be used.
    low, high : sigma
        Limits at which S/N is clipped.
    small : (ny / 2, nx / 2), sigma
        Written.
    first, last
        Rows of the band, `last` not included.
    """
    ny, nx = residual.shape
    for y in range(first, last):
        for x in range(small.shape[1]):
            total, count = np.float32(0), 0
            for row in range(2 * y, min(2 * y + 2, ny)):
                for column in range(2 * x, min(2 * x + 2, nx)):
                    count += 1
                    if not bad[row, column]:
                        snr = residual[row, column] / rms[row, column]
                        total += min(max(snr, np.float32(low)), np.float32(high))
            small[y, x] = total / np.float32(count)


@compiled
def clip_blank_sky(
    residual: Image,
    rms: Image,
    bad: NDArray[np.bool_],
    smooth: Image,
    limit: float,
    cut: float,
    snr: Image,
    sky: NDArray[np.bool_],
    first: int,
    last: int,
) -> None:
    """Write the clipped S/N of the sky, 0 on sources; `smooth` has half the size.

    Parameters
    ----------
    residual, rms : (ny, nx), electrons
        The frame without its sky, and the noise of the sky.
    bad : (ny, nx)
        True where a pixel cannot be used.
    smooth : (ny / 2, nx / 2), sigma
        Smoothed S/N, in which sources are found.
    limit, cut : sigma
        Smoothed S/N of a source, and S/N at which the sky is clipped.
    snr, sky : (ny, nx)
        Written: S/N of the sky, and True where there is sky.
    first, last
        Rows of the band, `last` not included.
    """
    for y in range(first, last):
        for x in range(residual.shape[1]):
            is_sky = (not bad[y, x]) & (smooth[y // 2, x // 2] < limit)
            height = residual[y, x] / rms[y, x]
            height = min(max(height, np.float32(-cut)), np.float32(cut))
            snr[y, x] = height if is_sky else np.float32(0)
            sky[y, x] = is_sky


@compiled
def moments(
    snr: Image, sky: NDArray[np.bool_], sums: NDArray[np.float64], first: int, last: int
) -> None:
    """Write number, sum and sum of squares of the sky's pixels, per row.

    Parameters
    ----------
    snr, sky : (ny, nx)
        From `clip_blank_sky`.
    sums : (ny, 3)
        Written.
    first, last
        Rows of the band, `last` not included.
    """
    for y in range(first, last):
        count, total, square = 0, 0.0, 0.0
        for x in range(snr.shape[1]):
            count += sky[y, x]
            total += snr[y, x]
            square += snr[y, x] * snr[y, x]
        sums[y, 0], sums[y, 1], sums[y, 2] = count, total, square


@compiled
def along_rows(
    snr: Image,
    sky: NDArray[np.bool_],
    total: Image,
    count: NDArray[np.int32],
    wide: int,
    first: int,
    last: int,
) -> None:
    """Write sums over strips of `wide` pixels along rows.

    Parameters
    ----------
    snr, sky : (ny, nx)
        From `clip_blank_sky`.
    total, count : (ny, nx / wide)
        Written: sums of S/N, and numbers of pixels.
    wide : pixels
        Length of a strip.
    first, last
        Rows of the band, `last` not included.
    """
    for y in range(first, last):
        for strip in range(total.shape[1]):
            height, number = np.float32(0), 0
            for x in range(strip * wide, (strip + 1) * wide):
                height += snr[y, x]
                number += sky[y, x]
            total[y, strip], count[y, strip] = height, number


@compiled
def along_columns(
    snr: Image,
    sky: NDArray[np.bool_],
    total: Image,
    count: NDArray[np.int32],
    high: int,
    first: int,
    last: int,
) -> None:
    """Write sums over strips of `high` pixels along columns; bands are rows of strips.

    Parameters
    ----------
    snr, sky : (ny, nx)
        From `clip_blank_sky`.
    total, count : (ny / high, nx)
        Written: sums of S/N, and numbers of pixels.
    high : pixels
        Length of a strip.
    first, last
        Rows of the band, `last` not included.
    """
    for strip in range(first, last):
        total[strip] = 0
        count[strip] = 0
        for y in range(strip * high, (strip + 1) * high):
            for x in range(snr.shape[1]):
                total[strip, x] += snr[y, x]
                count[strip, x] += sky[y, x]


@compiled
def strongest(
    spectrum: NDArray[np.complex64],
    ny: int,
    nx: int,
    longest: float,
    power: NDArray[np.float64],
    first: int,
    last: int,
) -> None:
    """Write the largest square of a wave shorter than `longest`, off both axes, per row.

    Parameters
    ----------
    spectrum : (ny, nx / 2 + 1)
        Real transform of the sky's S/N.
    ny, nx : pixels
        Shape of the frame.
    longest : pixels
        Waves that are longer do not count.
    power : (ny,)
        Written.
    first, last
        Rows of the band, `last` not included.
    """
    for row in range(first, last):
        v = (row if row <= ny // 2 else row - ny) / ny
        best = 0.0
        if abs(v) >= 1.5 / ny:
            for column in range(2, spectrum.shape[1]):
                u = column / nx
                value = spectrum[row, column]
                square = value.real * value.real + value.imag * value.imag
                is_fast = u * u + v * v >= 1 / (longest * longest)
                best = max(best, square) if is_fast else best
        power[row] = best
