"""A frame that differencing can work on: everything optional is there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit

if TYPE_CHECKING:
    from astropy.wcs import WCS

    from astrid_assets.science.differencing.local_psf import Places, Stamps
    from astrid_assets.science.frame import Frame, Image
    from astrid_assets.science.psf import PsfModel


@dataclass(frozen=True)
class Prepared:
    """A processed frame: what may be None in `Frame` is there."""

    frame: Frame
    variance: Image
    psf: PsfModel
    wcs: WCS

    def psfs_at(self, x: Places, y: Places) -> Stamps:
        """Return the PSF at positions: (n, s, s)."""
        return np.array(
            [self.psf.at(float(a), float(b)) for a, b in zip(x, y, strict=True)]
        )


def prepared(frame: Frame) -> Prepared:
    """Check that a frame was processed; what is not finite counts as missing.

    Raises
    ------
    FrameRejected
        ``unprocessed``.
    """
    variance, psf, wcs = frame.variance, frame.psf, frame.wcs
    if variance is None or psf is None or wcs is None:
        raise FrameRejected(
            "unprocessed",
            f"frame {frame.frame_id} lacks a variance, PSF or WCS: process it first",
        )
    unknown = ~(np.isfinite(frame.data) & np.isfinite(variance))
    unknown &= (frame.mask & UNUSABLE) == 0
    if unknown.any():
        missing = np.where(unknown, np.uint16(MaskBit.NO_DATA), np.uint16(0))
        frame = replace(frame, mask=frame.mask | missing)
    return Prepared(frame, variance, psf, wcs)
