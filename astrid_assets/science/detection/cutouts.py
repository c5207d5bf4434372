"""Cutouts: what the network and reviewers see of a candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.types import CUTOUT_SIZE, Cutouts
from astrid_assets.science.detection.peaks import window
from astrid_assets.science.errors import ShapeMismatch

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    planes = (
        (science.data, difference.sky_rms_e),
        (difference.registered_reference, difference.reference_rms_e),
        (difference.score, 1.0),
    )
    for channel, (image, unit) in enumerate(planes):
        stamps = window(image, rows, columns, half)[:, :-1, :-1]
        cutouts[:, channel] = np.nan_to_num(stamps / np.float32(unit), nan=0, posinf=0, neginf=0)
    return cutouts
