"""Trails of satellites and aircraft: long straight lines, masked along their width.

A line is found in the frame's signal-to-noise, summed along every direction
(a Radon transform of the binned frame with its stars taken out), and believed
only where it shines over most of its length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

if TYPE_CHECKING:
    from astrid_assets.science.frame import Image

Array = NDArray[np.float64]
Bool = NDArray[np.bool_]
BINNED_SIDE = 200
ANGLES = 360
LINE_SIGMA = 9.0
"""Significance of a line's sum: 10^5 lines are tried, noise reaches 4.5."""

CLIP_SIGMA = 4.0
"""A binned pixel counts at most this much, so that no star makes a line."""

MIN_LENGTH_SHARE = 0.25
"""Of the frame's shorter side; spikes of bright stars are shorter."""

SEGMENTS = 24
SEGMENT_SIGMA = 1.5
SIDE_BAND_PX = 12
MIN_LIT_SHARE = 0.75
AXIS_DEG = 0.75
"""Rows and columns are the detector's, not the sky's: no line so close to an axis."""

MAX_TRAILS = 6
MAX_HALF_WIDTH_PX = 25
MARGIN_PX = 2


@dataclass(frozen=True)
class Trail:
    """One line: the pixels with ``x cos(angle) + y sin(angle)`` near `distance_px`.

    `start_px` and `end_px` are the ends along the line, `half_width_px` what is
    masked on either side, `sigma` its significance.
    """

    angle_rad: float
    distance_px: float
    start_px: float
    end_px: float
    half_width_px: float
    sigma: float


def find_trails(data: Image, rms: Image, bad: Bool) -> list[Trail]:
    """Find the straight trails of a sky-subtracted frame, the strongest first."""
    step = max(1, int(np.ceil(max(data.shape) / BINNED_SIDE)))
    snr = np.where(bad, 0, data / np.maximum(rms, 1e-9)).astype(np.float32)
    binned, good = _binned(snr, bad, step)
    binned = _without_stars(binned)
    trails: list[Trail] = []
    for _ in range(MAX_TRAILS):
        line = _strongest_line(binned, good)
        if line is None:
            break
        angle, distance, sigma = line
        trail = _traced(snr, bad, (angle, distance * step + (step - 1) / 2 * (
            np.cos(angle) + np.sin(angle))), sigma)  # fmt: skip
        if trail is not None:
            trails.append(trail)
        binned = _erased(binned, angle, distance)
    return trails


def trail_mask(trails: list[Trail], shape: tuple[int, int]) -> Bool:
    """Mark the pixels of the trails."""
    marked = np.zeros(shape, dtype=bool)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    for trail in trails:
        across = x * np.cos(trail.angle_rad) + y * np.sin(trail.angle_rad)
        along = -x * np.sin(trail.angle_rad) + y * np.cos(trail.angle_rad)
        near = np.abs(across - trail.distance_px) <= trail.half_width_px
        marked |= near & (along >= trail.start_px) & (along <= trail.end_px)
    return marked


def _binned(snr: Image, bad: Bool, step: int) -> tuple[Array, Bool]:
    """Average into blocks, in units of the block's own sigma."""
    ny, nx = (side // step * step for side in snr.shape)
    blocks = (ny // step, step, nx // step, step)
    good = (~bad[:ny, :nx]).reshape(blocks).sum(axis=(1, 3))
    total = snr[:ny, :nx].reshape(blocks).sum(axis=(1, 3), dtype=np.float64)
    usable = good > step * step / 2
    out = np.where(usable, total / np.sqrt(np.maximum(good, 1)), 0.0)
    spread = np.median(np.abs(out[usable])) * 1.4826 if usable.any() else 1.0
    return out / max(spread, 1e-9), usable


def _without_stars(binned: Array) -> Array:
    """Clip, and take off the local median: lines survive it, galaxies do not."""
    clipped = np.clip(binned, -CLIP_SIGMA, CLIP_SIGMA)
    return clipped - np.clip(ndimage.median_filter(clipped, size=9), 0, None)


def _strongest_line(binned: Array, good: Bool) -> tuple[float, float, float] | None:
    """Return angle, distance (binned pixels) and significance of the best line."""
    y, x = np.nonzero(good)
    values = binned[good]
    offset = int(np.ceil(np.hypot(*binned.shape)))
    shortest = MIN_LENGTH_SHARE * min(binned.shape)
    best: tuple[float, float, float] | None = None
    scatter: list[float] = []
    for angle in np.linspace(0, np.pi, ANGLES, endpoint=False):
        if _along_an_axis(angle):
            continue
        across = x * np.cos(angle) + y * np.sin(angle) + (offset + 0.5)
        index = across.astype(np.intp)
        total = np.bincount(index, values, 2 * offset + 2)
        count = np.bincount(index, minlength=2 * offset + 2)
        long = count >= shortest
        sigma = np.where(long, total / np.sqrt(np.maximum(count, 1)), 0)
        scatter.append(float(np.std(np.clip(sigma[long], -9, 9))))
        peak = int(np.argmax(sigma))
        if best is None or sigma[peak] > best[2]:
            best = float(angle), float(peak - offset), float(sigma[peak])
    # Crowded fields and patterned noise make all lines scatter: that is the unit.
    unit = max(1.0, float(np.median(scatter))) if scatter else 1.0
    return best if best is not None and best[2] > LINE_SIGMA * unit else None


def _along_an_axis(angle: float) -> bool:
    """Tell whether a line at this angle runs along rows or columns."""
    return abs(np.degrees(angle) % 90 - 45) > 45 - AXIS_DEG


def _traced(
    snr: Image, bad: Bool, line: tuple[float, float], sigma: float
) -> Trail | None:
    """Refine a line on full pixels; None unless it shines along its length."""
    angle, distance = _refined(snr, bad, *line)
    if _along_an_axis(angle):
        return None
    ny, nx = snr.shape
    y, x = np.mgrid[:ny, :nx].astype(np.float32)
    across = x * np.cos(angle) + y * np.sin(angle) - distance
    near = (np.abs(across) < MAX_HALF_WIDTH_PX + SIDE_BAND_PX + MARGIN_PX) & ~bad
    along = (-x * np.sin(angle) + y * np.cos(angle))[near]
    across, values = across[near], np.clip(snr[near], -CLIP_SIGMA, 3 * CLIP_SIGMA)
    half = _half_width(across, values)
    core = np.abs(across) <= max(half - MARGIN_PX, 1)
    if core.sum() < SEGMENTS * 2:
        return None
    edges = np.linspace(along[core].min(), along[core].max() + 1e-3, SEGMENTS + 1)
    beside = (np.abs(across) > half) & (np.abs(across) < half + SIDE_BAND_PX)
    lit = _lit(values, along, core, beside, edges)
    first, last = _longest_run(lit)
    length = edges[last] - edges[first]
    share = lit[first:last].mean() if last > first else 0.0
    if length < MIN_LENGTH_SHARE * min(snr.shape) or share < MIN_LIT_SHARE:
        return None
    margin = (edges[1] - edges[0]) / 2 + half
    return Trail(
        float(angle), float(distance), float(edges[first] - margin),
        float(edges[last] + margin), float(half), sigma,
    )  # fmt: skip


def _lit(values: Image, along: Image, core: Bool, beside: Bool, edges: Array) -> Bool:
    """Tell which segments of a line outshine the bands on either side of it."""
    means, errors = [], []
    for band in (core, beside):
        which = np.clip(np.digitize(along[band], edges) - 1, 0, SEGMENTS - 1)
        count = np.maximum(np.bincount(which, minlength=SEGMENTS), 1)
        mean = np.bincount(which, values[band], SEGMENTS) / count
        square = np.bincount(which, values[band] ** 2, SEGMENTS) / count
        means.append(mean)
        errors.append((square - mean**2) / count)
    return means[0] - means[1] > SEGMENT_SIGMA * np.sqrt(errors[0] + errors[1])


def _refined(
    snr: Image, bad: Bool, angle: float, distance: float
) -> tuple[float, float]:
    """Move angle and distance to where the pixels' own line is strongest."""
    _ny, _nx = snr.shape
    reach = 12.0
    y, x = np.nonzero(~bad)
    near = np.abs(x * np.cos(angle) + y * np.sin(angle) - distance) < 2 * reach
    x, y = x[near].astype(float), y[near].astype(float)
    values = np.clip(snr[y.astype(int), x.astype(int)], -CLIP_SIGMA, CLIP_SIGMA)
    best = (-np.inf, angle, distance)
    step = np.pi / ANGLES
    # Turning about the line's middle keeps the search in distance short.
    middle = float(np.median(-x * np.sin(angle) + y * np.cos(angle)))
    mx = distance * np.cos(angle) - middle * np.sin(angle)
    my = distance * np.sin(angle) + middle * np.cos(angle)
    for turned in angle + np.linspace(-1.5 * step, 1.5 * step, 31):
        centre = mx * np.cos(turned) + my * np.sin(turned)
        across = x * np.cos(turned) + y * np.sin(turned) - centre
        index = np.clip(np.rint(across + reach), -1, 2 * reach + 1).astype(int) + 1
        total = np.bincount(index, values, int(2 * reach) + 3)[1:-1]
        smooth = np.convolve(total, np.ones(3), mode="same")
        peak = int(np.argmax(smooth))
        if smooth[peak] > best[0]:
            best = (float(smooth[peak]), float(turned), centre + peak - reach)
    return best[1], best[2]


def _half_width(across: Image, values: Image) -> float:
    """Return how far from its middle a line still shines, plus a margin."""
    index = np.rint(np.abs(across)).astype(int)
    total = np.bincount(index, values)
    count = np.bincount(index)
    # The outskirts are the zero level: crowded fields shine everywhere.
    far = count > 0
    far[: 2 * len(far) // 3] = False
    level = float(np.median(total[far] / count[far])) if far.any() else 0.0
    shine = (total - level * count) / np.sqrt(np.maximum(count, 1))
    # Nothing beyond the first dark ring belongs to the line.
    dark = np.flatnonzero(shine < 3.0)
    reach = int(dark[0]) if len(dark) else len(shine)
    return float(min(max(reach, 1), MAX_HALF_WIDTH_PX) + MARGIN_PX)


def _longest_run(lit: Bool) -> tuple[int, int]:
    """Return the longest stretch of lit segments, single gaps allowed."""
    # A single dark segment between two lit ones is a star mask or a tumble.
    closed = lit.copy()
    closed[1:-1] |= lit[:-2] & lit[2:]
    best, start = (0, 0), 0
    for index, is_lit in enumerate([*closed, False]):
        if not is_lit:
            if index - start > best[1] - best[0]:
                best = start, index
            start = index + 1
    return best


def _erased(binned: Array, angle: float, distance: float) -> Array:
    """Take a line out, so that the next one can be found."""
    y, x = np.mgrid[: binned.shape[0], : binned.shape[1]]
    across = np.abs(x * np.cos(angle) + y * np.sin(angle) - distance)
    return np.where(across < 8, 0.0, binned)
