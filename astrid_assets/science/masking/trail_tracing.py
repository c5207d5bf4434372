"""Tracing a line on full pixels: whether it is a trail, its width and its ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.robust import mad_sigma
from astrid_assets.science.masking import trails_kernels as kernels
from astrid_assets.science.masking.trail_runs import SEGMENT_PX, is_lit, is_long, lit_run

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image

Array = NDArray[np.float64]
Bool = NDArray[np.bool_]
MAX_HALF_WIDTH_PX = 40
SIDE_BAND_PX = 10
MARGIN_PX = 2
REACH_PX = MAX_HALF_WIDTH_PX + SIDE_BAND_PX + MARGIN_PX
CLIP = 5.0
EDGE_SIGMA = 0.2
"""Mean light per pixel, in sigma of the sky, at which a trail's mask may end."""

PARALLEL_SIGMA = 8.0
"""Significance of a trail's light over the scatter of lines beside it (crowding)."""

MIN_DRIFT_PX = 4.0
"""Departure from a row or column over a trail's length."""

STAR_SIGMA = 100.0
STAR_RUN_PX = 4
NEAR_PX = 30
FADING = 2.5
"""Ratio of a spike's light beside its star to that far from it."""


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


@dataclass(frozen=True)
class Tracing:
    """A line on full pixels, and whether it is a trail."""

    trail: Trail
    is_trail: bool


def traced(
    data: Image,
    rms: Image,
    bad: Bool,
    x: tuple[float, float],
    y: tuple[float, float],
    sigma: float,
    step: int,
) -> Tracing:
    """Follow a line from one of its stretches to both of its ends.

    Parameters
    ----------
    data, rms : (ny, nx), electrons
        Sky-subtracted light, and the noise of the sky.
    bad : (ny, nx)
        Pixels that must not count.
    x, y : first, last
        Ends of the stretch, pixels.
    sigma
        Significance of the line in the search, which the trail keeps.
    step : pixels
        Side of the bins in which it was found.

    Returns
    -------
    tracing
        The line with its width and ends, and whether it is a trail.
    """
    images = data, rms, bad
    shape = data.shape[0], data.shape[1]
    line, whole, stretch = _followed(images, x, y, step)
    snr = kernels.strip(*images, line, whole, REACH_PX)
    first = int(np.clip(stretch[0] - whole[0], 0, len(snr) - 1))
    last = int(np.clip(stretch[1] - whole[0], first + 1, len(snr)))
    # The width from the stretch that was found, then from all that is lit.
    offset, half, core = _profile(snr[first:last])
    run = lit_run(_shine(snr, offset, half, core))
    if run[1] - run[0] > SEGMENT_PX:
        offset, half, core = _profile(snr[slice(*run)])
    shine = _shine(snr, offset, half, core)
    run = lit_run(shine)
    trail = Trail(
        line[0],
        line[1] + offset,
        whole[0] + run[0] - half - MARGIN_PX,
        whole[0] + run[1] + half + MARGIN_PX,
        half + MARGIN_PX,
        sigma,
    )
    is_trail = (
        is_long(run, len(snr), shape)
        and is_lit(shine[slice(*run)])
        and _outshines(snr[slice(*run)], offset, core)
        and _drift(line[0], run[1] - run[0]) > max(MIN_DRIFT_PX, 1.5 * half)
        and not _fades_from_a_star(snr, shine, run)
    )
    return Tracing(trail, is_trail)


def _followed(
    images: tuple[Image, Image, Bool],
    x: tuple[float, float],
    y: tuple[float, float],
    step: int,
) -> tuple[tuple[float, float], tuple[int, int], tuple[int, int]]:
    """Refine a line on its stretch, then along its path through the whole frame.

    Returns the line, its crossing of the frame, and the stretch as positions along it.
    """
    angle = float(np.arctan2(x[0] - x[1], y[1] - y[0]))
    c, s = np.cos(angle), np.sin(angle)
    ends = sorted((-x[0] * s + y[0] * c, -x[1] * s + y[1] * c))
    stretch = round(ends[0]), round(ends[1]) + 1
    shape = images[0].shape[0], images[0].shape[1]
    length, middle = max(stretch[1] - stretch[0], 1), (stretch[0] + stretch[1]) / 2
    width, near = max(3, step), 3 * step + 2
    slopes = np.linspace(-2.5 * step / length, 2.5 * step / length, 41)
    line = float(angle), float(x[0] * c + y[0] * s)
    line = _refined(images, line, stretch, slopes, near, width)
    whole = _crossing(line, shape, middle)
    turn = 1.5 * width / length
    trials = int(np.clip(2 * turn * (whole[1] - whole[0]) / 1.5, 11, 81))
    slopes = np.linspace(-turn, turn, trials)
    line = _refined(images, line, whole, slopes, 8, width)
    return line, _crossing(line, shape, middle), stretch


def _refined(
    images: tuple[Image, Image, Bool],
    line: tuple[float, float],
    along: tuple[int, int],
    slopes: Array,
    reach: int,
    width: int,
) -> tuple[float, float]:
    """Turn and shift a line to where its pixels are brightest along a stretch."""
    snr = kernels.strip(*images, line, along, REACH_PX)
    window = REACH_PX - reach, REACH_PX + reach + 1
    slope, k = kernels.steepest(snr, slopes, window, width, CLIP)
    angle, distance = line
    # The line through the stretch's middle, moved across and turned about it.
    centre = (along[0] + along[1]) / 2
    across = distance + k - REACH_PX
    x = across * np.cos(angle) - centre * np.sin(angle)
    y = across * np.sin(angle) + centre * np.cos(angle)
    turned = angle - np.arctan(slope)
    return float(turned), float(x * np.cos(turned) + y * np.sin(turned))


def _crossing(line: tuple[float, float], shape: tuple[int, int], middle: float) -> tuple[int, int]:
    """Return where a line enters and leaves the frame, as positions along it."""
    angle, distance = line
    c, s = np.cos(angle), np.sin(angle)
    ends = [-np.inf, np.inf]
    sides = (distance * c, -s, shape[1]), (distance * s, c, shape[0])
    for base, slope, size in sides:
        if abs(slope) > 1e-9:
            a, b = sorted(((-0.5 - base) / slope, (size - 0.5 - base) / slope))
            ends = [max(ends[0], a), min(ends[1], b)]
    first, last = int(np.ceil(ends[0])), int(np.floor(ends[1])) + 1
    # A line that only touches a corner after being turned has no crossing.
    return (first, last) if last > first else (round(middle), round(middle) + 1)


def _profile(snr: Image) -> tuple[float, float, float]:
    """Return a line's offset, half its width, and half the width of its core.

    From medians along it: stars do not count.
    """
    profile = _nanmedian(snr, 0)
    k = np.arange(len(profile)) - REACH_PX
    far = (np.abs(k) > MAX_HALF_WIDTH_PX) & np.isfinite(profile)
    level = float(np.median(profile[far])) if far.any() else 0.0
    excess = np.nan_to_num(profile - level)
    near = np.abs(k) <= MAX_HALF_WIDTH_PX // 2
    smooth = np.convolve(excess, np.ones(3) / 3, "same")
    peak = int(np.argmax(np.where(near, smooth, -np.inf)))
    height = excess[peak]
    noise = 1.25 / np.sqrt(max(len(snr), 1))
    low, high = (_edge(excess, peak, way, max(height / 2, 2 * noise)) for way in (-1, 1))
    offset = float((k[low] + k[high]) / 2)
    core = max((high - low) / 2, 1.0)
    limit = max(EDGE_SIGMA, 2.5 * noise)
    low, high = (_edge(excess, peak, way, limit) for way in (-1, 1))
    half = max(offset - k[low], k[high] - offset, core) + 0.5
    return offset, float(min(half, MAX_HALF_WIDTH_PX)), float(core)


def _edge(excess: Array, peak: int, way: int, limit: float) -> int:
    """Return the last position from the peak on that is above a limit."""
    at = peak
    while 0 < at < len(excess) - 1 and excess[at + way] > limit:
        at += way
    return at


def _shine(snr: Image, offset: float, half: float, core: float) -> Array:
    """Return the light of the core above both sides, by position along the line."""
    across = np.abs(np.arange(snr.shape[1]) - REACH_PX - offset)
    beside = (across > half + 1) & (across <= half + 1 + SIDE_BAND_PX)
    return _nanmean(snr[:, across <= core + 0.1]) - _nanmedian(snr[:, beside], 1)


def _nanmean(values: Image) -> Array:
    """Return the mean of the finite values, NaN where fewer than half are finite."""
    is_there = np.isfinite(values)
    count = is_there.sum(axis=1)
    total = np.where(is_there, values, 0).sum(axis=1, dtype=np.float64)
    return np.where(count > values.shape[1] / 2, total / np.maximum(count, 1), np.nan)


def _nanmedian(values: Image, axis: int) -> Array:
    """Return the medians of the finite values, NaN where there is none."""
    ranked = np.sort(values, axis=axis)
    count = np.isfinite(ranked).sum(axis=axis, keepdims=True)
    low = np.maximum(count - 1, 0) // 2
    high = np.minimum(count // 2, values.shape[axis] - 1)
    pair = [np.take_along_axis(ranked, at, axis).squeeze(axis) for at in (low, high)]
    return (pair[0].astype(np.float64) + pair[1]) / 2


def _outshines(snr: Image, offset: float, core: float) -> bool:
    """Return whether a line stands out among those that run beside it."""
    profile = _nanmedian(snr, 0)
    across = np.abs(np.arange(len(profile)) - REACH_PX - offset)
    size = min(2 * int(core) + 1, 7)
    smooth = np.convolve(profile, np.ones(size) / size, "same")
    beside = smooth[size:-size][across[size:-size] > 2 * core + size / 2 + 1]
    beside = beside[np.isfinite(beside)]
    if len(beside) < SIDE_BAND_PX:
        return False
    level = float(np.median(beside))
    scatter = mad_sigma(beside, level)
    return bool(smooth[round(REACH_PX + offset)] - level > PARALLEL_SIGMA * scatter)


def _drift(angle: float, length: int) -> float:
    """Return how far a line departs from its row or column over its length, pixels."""
    return length * min(abs(np.sin(angle)), abs(np.cos(angle)))


def _fades_from_a_star(snr: Image, shine: Array, run: tuple[int, int]) -> bool:
    """Return whether a line is a bright star's spike: it fades away from the star both ways."""
    core = snr[:, REACH_PX - 3 : REACH_PX + 4]
    # Saturated cores are bad, and NaN here; a bright one may be neither.
    is_star = (np.isnan(core) | (core > STAR_SIGMA)).mean(axis=1) > 0.7
    edges = np.flatnonzero(np.diff(np.r_[0, is_star.astype(int), 0])).reshape(-1, 2)
    first, last = run
    stars = [
        (a, b)
        for a, b in edges
        if b - a >= STAR_RUN_PX and first - NEAR_PX <= b and a <= last + NEAR_PX
    ]
    if not stars:
        return False
    # Between two stars, and from the outer ones to the ends.
    starts, ends = [first, *(b for _, b in stars)], [*(a for a, _ in stars), last]
    fading: list[bool] = []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        part = shine[start:end]
        part = part[np.isfinite(part)]
        if len(part) < 2 * SEGMENT_PX:
            continue
        size = max(min(len(part) // 5, NEAR_PX), 5)
        blocks = np.array_split(part, max(len(part) // SEGMENT_PX, 2))
        darkest = np.percentile([np.median(block) for block in blocks], 25)
        if number > 0:
            fading.append(bool(np.median(part[:size]) > FADING * darkest))
        if number < len(stars):
            fading.append(bool(np.median(part[-size:]) > FADING * darkest))
    return bool(fading) and all(fading)
