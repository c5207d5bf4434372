"""Turning pictures north up without touching a pixel: quarter turns and mirrors.

What is left is at most 45 degrees and is stated, not hidden by resampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class Orientation:
    """How an array is turned so that north is nearly up and east left.

    Attributes
    ----------
    mirrored
        Columns are reversed first, where the sky is seen in a mirror.
    quarter_turns
        Clockwise, after that.
    north_deg
        Where north then points: degrees counter-clockwise of up, -45 to 45.
    """

    mirrored: bool
    quarter_turns: int
    north_deg: float


def orientation_of(matrix: NDArray[np.float64]) -> Orientation:
    """Return how to turn an image with this local scale matrix.

    Parameters
    ----------
    matrix : (2, 2)
        From pixel offsets (x, y) to (east, north); any unit.
    """
    east_north = np.array(matrix, dtype=np.float64)
    mirrored = bool(np.linalg.det(east_north) > 0)
    if mirrored:
        east_north = east_north @ np.diag([-1.0, 1.0])
    north_x, north_y = np.linalg.solve(east_north, [0.0, 1.0])
    angle = float(np.degrees(np.arctan2(-north_x, north_y)))
    turns = round(angle / 90)
    return Orientation(mirrored, turns % 4, angle - 90 * turns)


def as_seen(image: NDArray[Scalar], orientation: Orientation | None) -> NDArray[Scalar]:
    """Return an array as it is drawn: first row on top, turned if it can be.

    Without an orientation the picture shows the pixels as they are, y upwards.
    """
    if orientation is not None and orientation.mirrored:
        image = image[:, ::-1]
    drawn = image[::-1]
    return np.rot90(drawn, -orientation.quarter_turns) if orientation else drawn


def as_stored(drawn: NDArray[Scalar], orientation: Orientation | None) -> NDArray[Scalar]:
    """Undo `as_seen`: return what was drawn on a picture in the array's own pixels."""
    if orientation is not None:
        drawn = np.rot90(drawn, orientation.quarter_turns)
    image = drawn[::-1]
    mirrored = orientation is not None and orientation.mirrored
    return image[:, ::-1] if mirrored else image
