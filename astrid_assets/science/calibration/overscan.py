"""Overscan and trim: the bias level that the detector reads with each frame.

A strip of pixels that saw no light contains the electronic pedestal. `overscan_level`
models it, `without_overscan` subtracts it, `assembled` does so for each amplifier of
a detector and joins their images. Sections are numpy slices; how a FITS section such
as ``[1:16,1:520]`` becomes one is in `surveys.fits.sections`.

::

    data[y, x] = raw[y, x] - level[y]          strip beside the image: level per row
    data[y, x] = raw[y, x] - level[x]          strip above or below it: per column
    data       = raw - level                   model "median"

References
----------
Howell 2006, Handbook of CCD Astronomy, ch. 3.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.polynomial import Chebyshev

from astrid_assets.science.arrays.robust import mad_sigma
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image

OverscanModel = Literal["median", "rows", "polynomial"]
Slices = tuple[slice, slice]

DEGREE = 3
"""Degree of the polynomial along the strip: the pedestal drifts slowly in read-out."""

OUTLIER_SIGMA = 5.0
"""Lines of the strip this far from the polynomial carry charge or noise, not bias."""


@dataclass(frozen=True)
class Amplifier:
    """One amplifier's part of the detector; `gain_e_per_adu` None: the frame's."""

    data: Slices
    overscan: Slices | None = None
    gain_e_per_adu: float | None = None


@dataclass(frozen=True)
class Trimmed:
    """An image without its overscan.

    Attributes
    ----------
    image : (ny, nx), ADU of the frame's gain
    highest_level, saturation_factor
        A pixel with value S in the file now has at least the value
        ``(S - highest_level) · saturation_factor``.
    offset_px : (y, x)
        Position in the file of pixel [0, 0] of `image`.
    """

    image: Image
    highest_level: float = 0.0
    saturation_factor: float = 1.0
    offset_px: tuple[int, int] = (0, 0)


def overscan_level(strip: Image, model: OverscanModel = "median") -> NDArray[np.float32]:
    """Return the level of an overscan strip: one number, or one per line.

    Parameters
    ----------
    strip : (ny, nx), ADU
        NaN is left out. Its lines run across its shorter side.
    model
        ``median``: of the whole strip. ``rows``: of each line, which follows every
        jump and carries the noise of the few pixels of a line. ``polynomial``: of
        degree 3 along the strip through the medians of the lines, outliers left out.

    Returns
    -------
    level : () or (lines,), ADU
        One number for ``median``, else one per line.

    Raises
    ------
    FrameRejected
        ``bad_section`` if there is no valid pixel, or a line without one that has to
        have its own level.
    """
    finite = np.isfinite(strip)
    if not finite.any():
        raise FrameRejected(ReasonCode.BAD_SECTION, "the overscan section holds no valid pixel")
    if model == "median":
        return np.asarray(np.median(strip[finite]), np.float32)
    lines = strip if strip.shape[0] >= strip.shape[1] else strip.T
    seen = np.isfinite(lines).any(axis=1)
    medians = np.full(len(lines), np.nan)
    medians[seen] = np.nanmedian(lines[seen], axis=1)
    if model == "polynomial":
        return _smooth(medians).astype(np.float32)
    if not seen.all():
        raise FrameRejected(
            ReasonCode.BAD_SECTION,
            f"{int(np.sum(~seen))} lines of the overscan hold no valid pixel: set "
            "detector.overscan_model to 'polynomial' or 'median'",
        )
    return medians.astype(np.float32)


def without_overscan(
    data: Image,
    overscan: Slices | None,
    trim: Slices | None = None,
    model: OverscanModel = "median",
) -> Trimmed:
    """Subtract the overscan's level from an image and trim it to the section to keep.

    Parameters
    ----------
    data : (ny, nx), ADU
        The image as read, overscan included.
    overscan
        Rows and columns of the strip; None: nothing is subtracted.
    trim
        Rows and columns to keep; None: everything is kept.
    model
        How the level is found in the strip: see `overscan_level`.

    Returns
    -------
    trimmed
        The section to keep, and what became of the saturation level.

    Raises
    ------
    FrameRejected
        ``bad_section`` if the strip has no valid pixel, or does not run along all of
        the section to keep, as models with a level per line need.
    """
    kept = trim or (slice(0, data.shape[0]), slice(0, data.shape[1]))
    offset = (kept[0].start, kept[1].start)
    image = data[kept]
    if overscan is None:
        return Trimmed(np.ascontiguousarray(image), offset_px=offset)
    strip = data[overscan]
    level = overscan_level(strip, model)
    if level.ndim:
        axis = 0 if strip.shape[0] >= strip.shape[1] else 1
        along, wanted = overscan[axis], kept[axis]
        if along.start > wanted.start or along.stop < wanted.stop:
            raise FrameRejected(
                ReasonCode.BAD_SECTION,
                f"the overscan runs from {along.start + 1} to {along.stop} and the "
                f"section to keep from {wanted.start + 1} to {wanted.stop}: each "
                "line needs its own level, or detector.overscan_model = 'median'",
            )
        level = level[wanted.start - along.start : wanted.stop - along.start]
        level = level[:, None] if axis == 0 else level[None, :]
    return Trimmed(
        np.ascontiguousarray(image - level, np.float32),
        highest_level=float(np.max(level)),
        offset_px=offset,
    )


def assembled(
    data: Image,
    amplifiers: Sequence[Amplifier],
    gain_e_per_adu: float,
    model: OverscanModel = "median",
) -> Trimmed:
    """Subtract each amplifier's overscan, scale all to one gain and join them.

    The data sections keep their order on the detector; what lies between them
    (overscan, gaps) is cut out.

    Parameters
    ----------
    data : (ny, nx), ADU
        The image as read, with the sections of all amplifiers.
    amplifiers
        At least one.
    gain_e_per_adu
        The frame's: an amplifier with another gain is scaled to it.
    model
        How each level is found: see `overscan_level`.

    Returns
    -------
    trimmed
        The joined image, and what became of the saturation level.

    Raises
    ------
    FrameRejected
        ``bad_section`` if the data sections do not tile a rectangle, or as
        `without_overscan` does.
    """
    rows = sorted({(a.data[0].start, a.data[0].stop) for a in amplifiers})
    columns = sorted({(a.data[1].start, a.data[1].stop) for a in amplifiers})
    cells = [
        (
            rows.index((a.data[0].start, a.data[0].stop)),
            columns.index((a.data[1].start, a.data[1].stop)),
        )
        for a in amplifiers
    ]
    if (
        len(set(cells)) != len(rows) * len(columns)
        or len(cells) != len(set(cells))
        or _overlap(rows)
        or _overlap(columns)
    ):
        raise FrameRejected(
            ReasonCode.BAD_SECTION,
            "the data sections of detector.amplifiers do not tile a rectangle",
        )
    tiles: list[list[Image]] = [[data] * len(columns) for _ in rows]
    highest: list[float] = []
    factors: list[float] = []
    for amplifier, (row, column) in zip(amplifiers, cells, strict=True):
        part = without_overscan(data, amplifier.overscan, amplifier.data, model)
        factor = (amplifier.gain_e_per_adu or gain_e_per_adu) / gain_e_per_adu
        tiles[row][column] = part.image * np.float32(factor)
        highest.append(part.highest_level)
        factors.append(factor)
    return Trimmed(np.block(tiles), max(highest), min(factors), (rows[0][0], columns[0][0]))


def _overlap(spans: Sequence[tuple[int, int]]) -> bool:
    return any(later[0] < earlier[1] for earlier, later in pairwise(spans))


def _smooth(medians: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit a polynomial to the lines' medians, then again without outliers."""
    numbers = np.arange(len(medians), dtype=np.float64)
    good = np.isfinite(medians)
    degree = min(DEGREE, int(np.sum(good)) - 1)
    domain = [0.0, float(max(len(medians) - 1, 1))]
    curve = Chebyshev.fit(numbers[good], medians[good], degree, domain=domain)
    off = np.abs(medians - curve(numbers))
    scatter = mad_sigma(off[good], 0)
    good &= off <= OUTLIER_SIGMA * max(scatter, 1e-6)
    if int(np.sum(good)) > degree:
        curve = Chebyshev.fit(numbers[good], medians[good], degree, domain=domain)
    return curve(numbers)
