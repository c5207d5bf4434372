"""Real Fourier transforms over the last two axes, in the input's precision.

A spectrum is rfft2's half of the plane. PSFs and kernels are small stamps: only
the rows that hold something are transformed, and columns are done block by block
next to their use, so no full spectrum of a stamp ever lies in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from astrid_assets.science.arrays.threads import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable

Spectrum: TypeAlias = NDArray[np.complexfloating]
Real: TypeAlias = NDArray[np.floating]

BLOCK = 64
"""Columns that are worked on together; fixed, so that results do not depend on the
number of threads, and small enough for a block of every input to stay in cache."""


def forward(image: Real, shape: tuple[int, int] | None = None, workers: int = 1) -> Spectrum:
    """Transform an image to its spectrum.

    Parameters
    ----------
    image : (..., ny, nx)
        Real values.
    shape
        Shape to which it is padded with zeros; None: its own.
    workers
        Number of threads.

    Returns
    -------
    spectrum : (..., ny, nx // 2 + 1)
        As of rfft2.
    """
    return np.asarray(fft.rfft2(image, s=shape, workers=workers))  # pyright: ignore[reportArgumentType]  # scipy's stub knows no s of two


def back(spectrum: Spectrum, shape: tuple[int, int], workers: int = 1) -> Real:
    """Transform a spectrum back to an image.

    Parameters
    ----------
    spectrum : (..., ny, nx // 2 + 1)
        As of rfft2.
    shape
        Shape of the image, (ny, nx).
    workers
        Number of threads.

    Returns
    -------
    image : (..., ny, nx)
        Real values.
    """
    return np.asarray(fft.irfft2(spectrum, s=shape, workers=workers))  # pyright: ignore[reportArgumentType]  # scipy's stub knows no s of two


def frequencies(
    shape: tuple[int, int],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rfft2's frequencies along x and y.

    Parameters
    ----------
    shape
        Shape of the image, (ny, nx) pixels.

    Returns
    -------
    along_x, along_y : (nx // 2 + 1,) and (ny,), cycles per pixel
        Never above 0.5 in size.
    """
    return (
        np.fft.rfftfreq(shape[1]).astype(np.float64),
        np.fft.fftfreq(shape[0]).astype(np.float64),
    )


def padded_shape(shape: tuple[int, int], reach: int) -> tuple[int, int]:
    """Return sizes the transform likes that keep `reach` pixels between the edges.

    Parameters
    ----------
    shape
        Shape of the image, (ny, nx) pixels.
    reach : pixels
        How far a filter reaches.

    Returns
    -------
    rows, columns : pixels
        At least `shape` plus `reach`.
    """
    rows = int(fft.next_fast_len(shape[0] + reach) or 0)
    columns = int(fft.next_fast_len(shape[1] + reach, real=True) or 0)
    return rows, columns


def forward_rows(image: Real, shape: tuple[int, int], level: float = 0.0) -> Spectrum:
    """Transform along x only, padded with zeros; `forward_columns` does the rest.

    A level is subtracted before. Rows go in blocks, like columns: `in_blocks`.

    Parameters
    ----------
    image : (my, mx)
        Real values.
    shape
        Shape to which it is padded, (ny, nx) pixels.
    level
        Subtracted from the image, not from the padding.

    Returns
    -------
    lines : (ny, nx // 2 + 1)
        Each row transformed.
    """
    lines = np.empty((shape[0], shape[1] // 2 + 1), dtype=np.complex64)
    lines[len(image) :] = 0

    def work(a: int, b: int) -> None:
        part = image[a:b] - np.float32(level) if level else image[a:b]
        lines[a:b] = np.asarray(fft.rfft(part, n=shape[1], axis=1))

    in_blocks(work, len(image))
    return lines


def forward_columns(lines: Spectrum) -> Spectrum:
    """Transform some columns along y.

    Parameters
    ----------
    lines : (ny, columns)
        As from `forward_rows`.

    Returns
    -------
    block : (ny, columns)
        Contiguous.
    """
    return np.asarray(fft.fft(lines, axis=0))


def back_columns(block: Spectrum) -> Spectrum:
    """Undo `forward_columns`; the content of the block is lost.

    Parameters
    ----------
    block : (ny, columns)
        A spectrum; overwritten.

    Returns
    -------
    lines : (ny, columns)
        Transformed along x only.
    """
    return np.asarray(fft.ifft(block, axis=0, overwrite_x=True))


def back_rows(lines: Spectrum, width: int) -> Real:
    """Transform some rows back along x, `width` pixels wide with their padding.

    Parameters
    ----------
    lines : (rows, width // 2 + 1)
        Transformed along x only.
    width : pixels
        Width of the padded image.

    Returns
    -------
    rows : (rows, width)
        Real values.
    """
    return np.asarray(fft.irfft(lines, n=width, axis=1))


class StampSpectrum:
    """The transform of a centred stamp on a large plane, some columns at a time.

    Parameters
    ----------
    stamp : (n, m)
        Centred on its middle pixel.
    shape : (ny, nx)
        Shape of the plane.
    """

    def __init__(self, stamp: Real, shape: tuple[int, int]) -> None:
        n, m = stamp.shape
        self._rows = shape[0]
        self._half = n // 2
        lines = np.zeros((n, shape[1]), dtype=np.float32)
        lines[:, :m] = stamp
        lines = np.roll(lines, -(m // 2), axis=1)
        self._lines = np.asarray(fft.rfft(lines, axis=1))

    def columns(self, first: int, last: int) -> Spectrum:
        """Return columns ``first..last - 1`` of the spectrum.

        Parameters
        ----------
        first, last
            The columns, `last` not included.

        Returns
        -------
        block : (ny, last - first)
            Contiguous.
        """
        h = self._half
        block = np.zeros((self._rows, last - first), dtype=np.complex64)
        block[: h + 1] = self._lines[h:, first:last]
        block[self._rows - h :] = self._lines[:h, first:last]
        return np.asarray(fft.fft(block, axis=0, overwrite_x=True))

    def whole(self) -> Spectrum:
        """Return the spectrum of a real image: all of the half plane that determines it."""
        return self.columns(0, self._lines.shape[1])


def in_blocks(work: Callable[[int, int], object], columns: int) -> None:
    """Call ``work(first, last)`` for blocks of columns, in the allowed threads.

    Parameters
    ----------
    work
        Writes to its own columns only.
    columns
        How many there are.
    """
    edges = range(0, columns, BLOCK)
    spans = [(first, min(first + BLOCK, columns)) for first in edges]
    side_by_side(lambda span: work(*span), spans)
