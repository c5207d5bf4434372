"""Cutouts: what the network and reviewers see of a candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.types import CUTOUT_SIZE, Cutouts
from astrid_assets.science.detection.peaks import window
from astrid_assets.science.errors import ShapeMismatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.detection.candidate import Candidate
    from astrid_assets.science.differencing.difference import Difference
    from astrid_assets.science.frame import Frame


def cut(science: Frame, difference: Difference, candidates: Sequence[Candidate]) -> Cutouts:
    """Cut science, reference and score around candidates.

    The first two in units of their sky sigma, the score in sigma; 0 outside the frame and
    where a value is not finite. The candidate's pixel is [32, 32].

    Parameters
    ----------
    science : (ny, nx), electrons
        The frame that was subtracted from.
    difference : (ny, nx)
        Its difference.
    candidates : n
        What to cut around.

    Returns
    -------
    cutouts : (n, 3, 64, 64)
        In sigma.

    Raises
    ------
    ShapeMismatch
        If frame and difference differ in shape.
    """
    if difference.score.shape != science.shape:
        raise ShapeMismatch(difference.score.shape, science.shape)
    half = CUTOUT_SIZE // 2
    rows = np.array([round(c.y) for c in candidates], dtype=np.intp)
    columns = np.array([round(c.x) for c in candidates], dtype=np.intp)
    cutouts = np.zeros((len(candidates), 3, CUTOUT_SIZE, CUTOUT_SIZE), np.float32)
    for channel, (image, unit) in enumerate(_planes(science, difference)):
        stamps = window(image, rows, columns, half)[:, :-1, :-1]
        cutouts[:, channel] = np.nan_to_num(stamps / np.float32(unit), nan=0, posinf=0, neginf=0)
    return cutouts


def whole_planes(science: Frame, difference: Difference) -> Cutouts:
    """Return the planes of cutouts for a whole frame.

    Parameters
    ----------
    science : (ny, nx), electrons
        The frame that was subtracted from.
    difference : (ny, nx)
        Its difference.

    Returns
    -------
    planes : (3, ny, nx)
        In sigma; 0 where a value is not finite.
    """
    return np.stack(
        [
            np.nan_to_num(image / np.float32(unit), nan=0, posinf=0, neginf=0)
            for image, unit in _planes(science, difference)
        ]
    ).astype(np.float32)


def _planes(science: Frame, difference: Difference) -> tuple[tuple[Image, float], ...]:
    """Return each plane of a cutout with its unit."""
    return (
        (science.data, difference.sky_rms_e),
        (difference.registered_reference, difference.reference_rms_e),
        (difference.score, 1.0),
    )
