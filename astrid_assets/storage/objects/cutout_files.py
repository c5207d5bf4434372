"""The file of a frame's cutouts: pixels, and what was measured of each candidate.

A ``.npy`` file with one record per candidate: ``pixels`` (3, 64, 64) and one number for
each name of `science.detection.measurements.MEASUREMENTS`. Numbers are found by their name:
a file of a time when fewer were measured has NaN for the others. Plain arrays of pixels,
as alerts leave them and detection did before, are read as cutouts without measurements.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from astrid_assets.science.detection.measurements import MEASUREMENTS, as_columns, unmeasured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Cutouts
    from astrid_assets.science.detection.measurements import Measurements

PIXELS = "pixels"


@dataclass(frozen=True)
class MeasuredCutouts:
    """Cutouts with their measurements.

    Attributes
    ----------
    pixels : (n, 3, size, size)
    measurements : (n, len(MEASUREMENTS))
        NaN where a number was not measured.
    """

    pixels: Cutouts
    measurements: Measurements


def cutout_file(cutouts: Cutouts, measurements: Measurements) -> bytes:
    """Return cutouts as a file.

    Parameters
    ----------
    cutouts : (n, 3, size, size)
    measurements : (n, len(MEASUREMENTS))
    """
    kind = np.dtype(
        [(PIXELS, np.float32, cutouts.shape[1:]), *((name, np.float32) for name in MEASUREMENTS)]
    )
    records = np.empty(len(cutouts), dtype=kind)
    records[PIXELS] = cutouts
    for column, name in enumerate(MEASUREMENTS):
        records[name] = measurements[:, column]
    buffer = io.BytesIO()
    np.save(buffer, records)
    return buffer.getvalue()


def read_cutout_file(content: bytes) -> MeasuredCutouts:
    """Return the cutouts of a file with their measurements."""
    return rows_of(_loaded(content), slice(None))


def read_cutout(content: bytes, row: int) -> MeasuredCutouts:
    """Return one cutout of a file, as one of one.

    Raises
    ------
    IndexError
        If there is no such row.
    """
    stored = _loaded(content)
    if not 0 <= row < len(stored):
        raise IndexError(f"row {row} of {len(stored)} cutouts")
    return rows_of(stored, slice(row, row + 1))


def rows_of(stored: NDArray[Any], rows: slice | list[int]) -> MeasuredCutouts:
    """Return some rows of a file that was loaded, or mapped into memory."""
    if stored.dtype.names is None:
        pixels = np.asarray(stored[rows], dtype=np.float32)
        return MeasuredCutouts(pixels, unmeasured(len(pixels)))
    some = stored[rows]
    known = {name: some[name] for name in MEASUREMENTS if name in stored.dtype.names}
    return MeasuredCutouts(
        np.ascontiguousarray(some[PIXELS], dtype=np.float32), as_columns(known, len(some))
    )


def _loaded(content: bytes) -> NDArray[Any]:
    return np.load(io.BytesIO(content), allow_pickle=False)
