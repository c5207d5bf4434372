"""Trails of satellites and aircraft: long straight lines, masked in full width.

All lines of the binned frame are summed, whole ones and pieces of them, and compared
with their neighbours on either side; significant ones are resampled straight on full
pixels and accepted only where they are lit over most of their length. Medians along
the line decide that, so that stars in a row are not mistaken for one.

Lines along rows and columns are effects of the detector: a line that departs from one of
them by less than its width is no trail, nor is one that fades away from a star it crosses.

References
----------
Brady 1998, SIAM J. Comput. 27, 107: the sums along all lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.threads import in_bands
from astrid_assets.science.masking import trails_kernels as kernels
from astrid_assets.science.masking.trail_tracing import Trail, traced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astrid_assets.science.arrays.types import Image

Bool = NDArray[np.bool_]
BINNED_SIDE = 512
"""Most bins along the longer side; a trail is about as wide as such a bin."""

COARSEST_SIDE = 40
"""Fewest bins along the longer side, for trails that are out of focus."""

PIXEL_CLIP, BIN_CLIP = 5.0, 3.0
"""Sigma; a pixel or bin counts at most this much, so that no star makes a line."""

LINE_SIGMA = 8.0
"""Significance of a line's sum: 10^6 lines are tried, noise reaches 5.5."""

SHORTEST_BINS = 32
MAX_TRAILS = 8
MAX_REJECTED = 6
"""Lines that are not trails after which the search ends: the frame is full of them."""


@dataclass(frozen=True)
class _Line:
    """A stretch of a line in the frame: its ends, its significance, its scale."""

    x: tuple[float, float]
    y: tuple[float, float]
    sigma: float
    step: int


def find_trails(data: Image, rms: Image, bad: Bool) -> list[Trail]:
    """Find the straight trails of a sky-subtracted frame, the strongest first.

    Parameters
    ----------
    data, rms : (ny, nx), electrons
        Light and noise of the sky.
    bad : (ny, nx)
        Pixels that must not count.

    Returns
    -------
    trails
        At most eight.
    """
    data = np.ascontiguousarray(data, dtype=np.float32)
    rms = np.ascontiguousarray(rms, dtype=np.float32)
    bad = bad | ~np.isfinite(data)
    step = max(1, int(np.ceil(max(data.shape) / BINNED_SIDE)))
    values, good = _binned(data, rms, bad, step)
    trails: list[Trail] = []
    rejected, is_new = 0, True
    while is_new and len(trails) < MAX_TRAILS:
        is_new = False
        for line in _outstanding_lines(values, good, step):
            if rejected == MAX_REJECTED or _is_erased(good, line, step):
                continue
            seen = traced(data, rms, bad, line.x, line.y, line.sigma, line.step)
            _erase(values, good, step, seen.trail, line)
            if seen.is_trail:
                # Its light was in all sums: they are computed again without it.
                trails.append(seen.trail)
                is_new = True
                break
            rejected += 1
    return trails


def trail_mask(trails: list[Trail], shape: tuple[int, int]) -> Bool:
    """Mark the pixels of the trails.

    Parameters
    ----------
    trails
        As `find_trails` returns them.
    shape : (ny, nx)
        Shape of the frame.

    Returns
    -------
    marked : (ny, nx)
        True on a trail.
    """
    marked = np.zeros(shape, dtype=bool)
    for trail in trails:
        kernels.paint_line(
            marked,
            (trail.angle_rad, trail.distance_px),
            (trail.start_px, trail.end_px),
            trail.half_width_px,
        )
    return marked


def _binned(data: Image, rms: Image, bad: Bool, step: int) -> tuple[Image, Image]:
    """Return the binned signal-to-noise and which bins are usable (1 or 0)."""
    ny, nx = (side // step for side in data.shape)
    values, good = np.zeros((ny, nx), np.float32), np.zeros((ny, nx), np.float32)
    in_bands(
        lambda a, b: kernels.bin_snr(
            data, rms, bad, step, PIXEL_CLIP, BIN_CLIP, values, good, a, b
        ),
        ny,
    )
    return values, good


def _outstanding_lines(values: Image, good: Image, step: int) -> list[_Line]:
    """Return the lines that stand out, of any width, length and direction."""
    lines: list[_Line] = []
    while max(values.shape) >= COARSEST_SIDE:
        shortest = min(SHORTEST_BINS, max(min(values.shape) // 4, 8))
        lines += _lines_of_scale(values, good, step, shortest)
        values, good = kernels.halve_bins(values, good)
        step *= 2
    lines = [line for line in lines if line.sigma > LINE_SIGMA]
    return sorted(lines, key=lambda line: -line.sigma)


def _is_erased(good: Image, line: _Line, step: int) -> bool:
    """Return whether most of a line has been removed since it was found."""
    share = np.linspace(0, 1, 21)
    y, x = (
        np.clip((a + share * (b - a)) / step, 0, side - 1).astype(np.intp)
        for (a, b), side in zip((line.y, line.x), good.shape, strict=True)
    )
    return bool(np.mean(good[y, x] == 0) > 0.5)


def _lines_of_scale(values: Image, good: Image, step: int, shortest: int) -> Iterator[_Line]:
    """Yield the best lines of one binning, of all lengths and four directions."""
    for is_turned in (False, True):
        for is_flipped in (False, True):
            v, g = (values.T, good.T) if is_turned else (values, good)
            if is_flipped:
                v, g = v[:, ::-1], g[:, ::-1]
            args = np.ascontiguousarray(v), np.ascontiguousarray(g), shortest
            for sigma, scatter, height, row, column, shift in kernels.best_lines(*args):
                if not sigma:
                    continue
                along = np.array([row, row + height - 1])
                across = np.array([column, column + shift])
                if is_flipped:
                    across = v.shape[1] - 1 - across
                along, across = ((p + 0.5) * step - 0.5 for p in (along, across))
                x, y = (along, across) if is_turned else (across, along)
                # Crowded fields and patterned noise make all lines scatter.
                yield _Line(
                    (float(x[0]), float(x[1])),
                    (float(y[0]), float(y[1])),
                    float(sigma / max(scatter, 1.0)),
                    step,
                )


def _erase(values: Image, good: Image, step: int, trail: Trail, line: _Line) -> None:
    """Remove a line from the bins, over its whole length, so that the next is found."""
    half = max(trail.half_width_px / step, 1.5 * line.step / step) + 1.0
    # The line in the coordinates of the bins.
    c, s = np.cos(trail.angle_rad), np.sin(trail.angle_rad)
    distance = (trail.distance_px - (step - 1) / 2 * (c + s)) / step
    out = np.zeros(values.shape, dtype=bool)
    kernels.paint_line(out, (trail.angle_rad, distance), (-np.inf, np.inf), half)
    values[out], good[out] = 0, 0
