"""Quality of the cutouts themselves: blank, cut off, masked, blurred, shallow.

Each part goes from 0 (useless) to 1 (nothing is wrong); a part that cannot be known, such
as the depth of a frame that nobody measured, is NaN: it counts neither as bad nor as good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CORE_PX = 3
"""Pixels about the centre that must be there: they show the candidate."""

PADDING_PX = 2
"""A cutout of 63 pixels in a frame of 64 is not cut off."""

WIDEST = 2.5
"""Width of the point source, over the usual one of its survey, at which a cutout is
useless; up to `USUAL` nothing is wrong."""

USUAL = 1.25

SHALLOWEST_MAG = 2.5
"""Magnitudes that a frame may be less deep than its survey usually is, at which its
cutouts are useless; up to `USUAL_MAG` nothing is wrong."""

USUAL_MAG = 0.5

PARTS = ("whole", "unmasked", "finite", "sharp", "deep", "frame")
"""Parts of the quality: not cut off, not masked, no NaN, PSF, depth, quality of the frame."""


@dataclass(frozen=True)
class StampQuality:
    """Quality of each cutout of a set.

    Attributes
    ----------
    parts
        (n,) for each of `PARTS`, 0 to 1; NaN where it is unknown.
    blank
        (n,), True where a plane shows nothing at all.
    """

    parts: Mapping[str, Floats]
    blank: NDArray[np.bool_]

    @property
    def overall(self) -> Floats:
        """(n,), geometric mean of what is known; 0 for a blank cutout."""
        values = np.stack([self.parts[name] for name in PARTS])
        known = np.isfinite(values)
        logs = np.log(np.where(known, np.maximum(values, 1e-6), 1.0))
        mean = np.exp(logs.sum(axis=0) / np.maximum(known.sum(axis=0), 1))
        return np.where(self.blank, 0.0, mean)

    def summary(self) -> dict[str, float | None]:
        """Return the mean of each part; None: it is unknown for every cutout."""
        means: dict[str, float | None] = {"blank": float(self.blank.mean())}
        for name in PARTS:
            known = np.isfinite(self.parts[name])
            means[name] = float(self.parts[name][known].mean()) if known.any() else None
        return means


class StampMeter:
    """Measures cutouts that are shown once, block by block.

    Parameters
    ----------
    count
        Number of cutouts, n.
    """

    def __init__(self, count: int) -> None:
        self._whole = np.zeros(count)
        self._unmasked = np.zeros(count)
        self._finite = np.zeros(count)
        self._blank = np.ones(count, dtype=bool)

    def add(self, first_row: int, cutouts: NDArray[np.float32]) -> None:
        """Take the cutouts of some rows.

        Parameters
        ----------
        first_row
            Row of the first of them; the others follow.
        cutouts : (k, channels, ny, nx)
            The candidate in the middle; 0 and NaN where there is nothing.
        """
        rows = slice(first_row, first_row + len(cutouts))
        self._finite[rows] = np.isfinite(cutouts).mean(axis=(1, 2, 3))
        seen = np.isfinite(cutouts) & (cutouts != 0)
        low, high = (
            np.where(seen, cutouts, empty) for empty in (np.float32(np.inf), np.float32(-np.inf))
        )
        flat = low.min(axis=(2, 3)) >= high.max(axis=(2, 3))
        self._blank[rows] = flat.any(axis=1)
        reach, box = _reach(seen)
        self._whole[rows] = reach.min(axis=1)
        n_seen = seen.sum(axis=(2, 3))
        inside = np.divide(n_seen, box, out=np.zeros(box.shape), where=box > 0)
        self._unmasked[rows] = np.minimum(inside, _core(seen)).min(axis=1)

    def quality(
        self,
        *,
        fwhm_px: Floats,
        limiting_mag: Floats,
        frame_quality: Floats,
        kind: NDArray[np.str_],
    ) -> StampQuality:
        """Return the quality of all cutouts; every array has shape ``(n,)``.

        Parameters
        ----------
        fwhm_px : pixels
            Width of a point source; NaN where unknown.
        limiting_mag
            Depth of the frame; NaN where unknown.
        frame_quality
            Quality score of the frame, 0 to 1; NaN where it has none.
        kind
            Survey and band: width and depth are compared with what is usual there.

        Returns
        -------
        quality
            Its parts, NaN where unknown.
        """
        width = fwhm_px / _usual(fwhm_px, kind)
        lost_mag = _usual(limiting_mag, kind) - limiting_mag
        parts = {
            "whole": self._whole,
            "unmasked": self._unmasked,
            "finite": self._finite,
            "sharp": np.clip((WIDEST - width) / (WIDEST - USUAL), 0, 1),
            "deep": np.clip((SHALLOWEST_MAG - lost_mag) / (SHALLOWEST_MAG - USUAL_MAG), 0, 1),
            "frame": np.asarray(frame_quality, dtype=np.float64),
        }
        return StampQuality(parts, self._blank)


def _reach(seen: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.int64]]:
    """Return how far each plane reaches, its nearest edge over its farthest, and its area."""
    sides: list[NDArray[np.int64]] = []
    area = np.ones(seen.shape[:2], dtype=np.int64)
    for flags in (seen.any(axis=2), seen.any(axis=3)):
        filled = np.asarray(flags)
        length = filled.shape[2]
        first = filled.argmax(axis=2)
        last = length - 1 - filled[:, :, ::-1].argmax(axis=2)
        there = np.take_along_axis(filled, first[:, :, None], axis=2)[:, :, 0]
        centre = length // 2
        sides += [np.where(there, centre - first, 0), np.where(there, last - centre, 0)]
        area *= np.where(there, last - first + 1, 0)
    reach = np.stack(sides).astype(np.float64)
    farthest = reach.max(axis=0)
    nearest = reach.min(axis=0) + PADDING_PX
    ratio = np.divide(nearest, farthest, out=np.zeros(farthest.shape), where=farthest > 0)
    return np.clip(ratio, 0, 1), area


def _core(seen: NDArray[np.bool_]) -> Floats:
    """Return the share of pixels that are there about the centre of each plane."""
    y, x = seen.shape[2] // 2, seen.shape[3] // 2
    core = seen[:, :, y - CORE_PX : y + CORE_PX + 1, x - CORE_PX : x + CORE_PX + 1]
    return core.mean(axis=(2, 3))


def _usual(values: Floats, kind: NDArray[np.str_]) -> Floats:
    """Return the median of each kind's known values: (n,), NaN where none is known."""
    usual = np.full(len(values), np.nan)
    for name in np.unique(kind):
        own = kind == name
        known = values[own & np.isfinite(values)]
        if len(known):
            usual[own] = np.median(known)
    return usual
