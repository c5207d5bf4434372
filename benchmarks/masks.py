"""Pixel masks: seconds, memory, and what is found, beside astroscrappy.

Frames are painted here with known truth. Both cosmic-ray searches get the same
frame and variance in one process, a round each in turn; CPU seconds are
reported, which other work on the machine lengthens less than it does wall time.

Recall is the share of pixels with 5 sigma of charge that were marked; false pixels lie
beyond one pixel from any charge; stars lost are those whose middle was marked.

    .venv/bin/python -m benchmarks.masks
    .venv/bin/python -m benchmarks.masks --side 1024 --rounds 1 --keep
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from astroscrappy.astroscrappy import detect_cosmics
from scipy.special import ndtr

from astrid_assets.science.arrays.components import grow
from astrid_assets.science.arrays.threads import set_threads
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.masking.bright_stars import halos_and_edges
from astrid_assets.science.masking.cosmic_rays import find_cosmic_rays
from astrid_assets.science.masking.defects import (
    bleeding_pixels,
    grown_saturation,
    impossible_pixels,
    missing_pixels,
    saturated_pixels,
)
from astrid_assets.science.masking.trails import find_trails, trail_mask
from astrid_assets.science.sky.background import Background, measure_background
from benchmarks.costs import peak_frames
from benchmarks.figures import Figures, parser_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image, Mask

    Bool = NDArray[np.bool_]

SKY_E, READ_NOISE_E = 300.0, 5.0
FULL_WELL_E = 8_000.0  # low, so that the brighter stars saturate
SEEN_SIGMA = 5.0  # charge in a pixel that a search should find
HITS_PER_MEGAPIXEL = 150
ASTROSCRAPPY_OBJLIMS = (2.0, 5.0)  # fewest misses; fewest stars


@dataclass(frozen=True)
class Sky:
    """A painted frame: electrons with sky, and what is known of it."""

    image: Image
    stars: NDArray[np.float64]
    hits: NDArray[np.float32]


@dataclass(frozen=True)
class Found:
    """What a cosmic-ray search costs and finds."""

    name: str
    cpu_s: float
    recall: float
    false_pixels: int
    stars_lost: int


def painted(
    rng: np.random.Generator, side: int, fwhm_px: float, stars_per_megapixel: int = 800
) -> Sky:
    """Paint stars and cosmic rays over a noisy sky."""
    number = stars_per_megapixel * side * side // 10**6
    places = rng.uniform(0, side - 1, (number, 2))
    flux = np.minimum(500 * (1 + rng.pareto(0.8, number)), 2e5)
    light = np.zeros((side, side))
    half = int(4 * fwhm_px) + 2
    for (y, x), electrons in zip(places, flux, strict=True):
        _add(light, y, x, electrons, fwhm_px / 2.3548, half)
    hits = np.zeros((side, side))
    for _ in range(HITS_PER_MEGAPIXEL * side * side // 10**6):
        y, x = rng.uniform(0, side - 1, 2)
        angle, length = rng.uniform(0, np.pi), min(rng.exponential(6.0) + 0.3, 50.0)
        width, steps = rng.choice([0.2, 0.28, 0.4]), max(int(3 * length), 1)
        each = 10 ** rng.uniform(2.0, 3.7) * max(length, 1) / steps
        for t in np.linspace(0, length, steps):
            at = y + t * np.sin(angle), x + t * np.cos(angle)
            _add(hits, *at, each, width, 3)
    noise = rng.normal(0, READ_NOISE_E, light.shape)
    image = rng.poisson(light + hits + SKY_E) + noise
    return Sky(image.astype(np.float32), places, hits.astype(np.float32))


def _add(
    image: NDArray[np.float64], y: float, x: float, flux: float, sigma: float, half: int
) -> None:
    """Add a Gaussian, integrated over pixels, cut at the border."""
    row, column = round(y), round(x)
    span = np.arange(-half, half + 1)
    profiles = []
    for at, middle in ((y, row), (x, column)):
        edges = (np.r_[span, half + 1] - 0.5 + middle - at) / sigma
        profiles.append(np.diff(ndtr(edges)))
    rows, columns = row + span, column + span
    good_rows = (rows >= 0) & (rows < image.shape[0])
    good_columns = (columns >= 0) & (columns < image.shape[1])
    stamp = flux * np.outer(profiles[0][good_rows], profiles[1][good_columns])
    image[np.ix_(rows[good_rows], columns[good_columns])] += stamp


def cosmic_rays(sky: Sky, rounds: int = 3) -> list[Found]:
    """Run our search and astroscrappy's on one frame, in turn."""
    data = sky.image - np.float32(SKY_E)
    variance = np.maximum(data, 0) + np.float32(SKY_E + READ_NOISE_E**2)
    bad = np.zeros(data.shape, bool)

    def theirs(objlim: float) -> Bool:
        return detect_cosmics(
            data,
            inmask=bad,
            invar=variance,
            sigclip=5.0,
            sigfrac=0.3,
            objlim=objlim,
            gain=1.0,
            readnoise=0.0,
            satlevel=np.inf,
            niter=4,
            cleantype="medmask",
        )[0]

    searches: dict[str, Callable[[], Bool]] = {
        "astrid": lambda: find_cosmic_rays(data, variance, bad)
    }
    for limit in ASTROSCRAPPY_OBJLIMS:
        searches[f"astroscrappy objlim {limit:g}"] = lambda x=limit: theirs(x)
    searches["astrid"]()  # compiles
    seconds = dict.fromkeys(searches, np.inf)
    marked: dict[str, Bool] = {}
    for _ in range(rounds):
        for name, search in searches.items():
            began = time.process_time()
            marked[name] = search()
            seconds[name] = min(seconds[name], time.process_time() - began)
    return [judged(name, seconds[name], marked[name], sky) for name in searches]


def judged(name: str, cpu_s: float, found: Bool, sky: Sky) -> Found:
    """Compare what was marked with what was painted."""
    noise = np.sqrt(SKY_E + READ_NOISE_E**2)
    seen = sky.hits > SEEN_SIGMA * noise
    near = grow(sky.hits > noise)
    rows, columns = np.rint(sky.stars).astype(int).T
    untouched = ~near[rows, columns]
    lost = found[rows[untouched], columns[untouched]]
    return Found(
        name, cpu_s, float(found[seen].mean()), int((found & ~near).sum()), int(lost.sum())
    )


def with_trail(sky: Sky, peak_sigma: float, sigma_px: float, angle_deg: float) -> Sky:
    """Add a straight trail through the middle of a frame."""
    ny, nx = sky.image.shape
    y, x = np.ogrid[:ny, :nx]
    angle = np.radians(angle_deg)
    across = (x - nx / 2) * np.cos(angle) + (y - ny / 2) * np.sin(angle)
    peak = peak_sigma * np.sqrt(SKY_E + READ_NOISE_E**2)
    light = peak * np.exp(-0.5 * (across / sigma_px) ** 2)
    return Sky((sky.image + light).astype(np.float32), sky.stars, sky.hits)


def trails(sky: Sky, rounds: int = 3) -> tuple[int, float, float, float]:
    """Return trails found, CPU seconds, peak memory in frames, share masked."""
    bad = np.zeros(sky.image.shape, bool)
    level = measure_background(sky.image, bad)
    data = sky.image - level.level
    seconds, found = np.inf, find_trails(data, level.rms, bad)
    for _ in range(rounds):
        began = time.process_time()
        find_trails(data, level.rms, bad)
        seconds = min(seconds, time.process_time() - began)
    frames = peak_frames(lambda: find_trails(data, level.rms, bad), data.size)
    masked = trail_mask(found, (data.shape[0], data.shape[1]))
    return len(found), seconds, frames, float(masked.mean())


def defects(sky: Sky, fwhm_px: float, rounds: int = 3) -> dict[str, float]:
    """Return the CPU seconds of each step of the defect masks."""
    image = np.minimum(sky.image, FULL_WELL_E).astype(np.float32)
    image[7, 9], image[50, 60] = np.nan, -5000
    clean = np.zeros(image.shape, np.uint16)
    data, mask = missing_pixels(image, clean)
    level = measure_background(data, (mask & UNUSABLE) != 0)
    best: dict[str, float] = {}
    for _ in range(rounds + 1):
        for name, cpu_s in _timed_defects(image, clean, level, fwhm_px).items():
            best[name] = min(cpu_s, best.get(name, np.inf))
    return best


def _timed_defects(image: Image, mask: Mask, sky: Background, fwhm_px: float) -> dict[str, float]:
    data = np.nan_to_num(image)
    light = data - sky.level
    steps: dict[str, Callable[[Mask], Mask]] = {
        "missing": lambda mask: missing_pixels(image, mask)[1],
        "saturated": lambda mask: saturated_pixels(data, mask, FULL_WELL_E),
        "impossible": lambda mask: impossible_pixels(data, mask, sky),
        "bleeding": lambda mask: bleeding_pixels(data, mask, sky),
        "grown": grown_saturation,
        "halos": lambda mask: halos_and_edges(mask, fwhm_px, light, sky.rms_e),
    }
    seconds = {}
    for name, step in steps.items():
        began = time.process_time()
        mask = step(mask)
        seconds[name] = time.process_time() - began
    return seconds


def main() -> None:
    """Measure cosmic rays, trails and defects."""
    parser = parser_of("masks", __doc__)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    figures = Figures(parser)
    options = figures.options
    set_threads(options.threads)
    rng = np.random.default_rng(20_250_301)
    side, rounds = options.side, options.rounds
    for fwhm in (1.3, 2.0, 3.0, 5.0):
        sky = painted(rng, side, fwhm)
        table = f"cosmic rays, FWHM {fwhm} px, {side}²"
        for found in cosmic_rays(sky, rounds):
            figures.add(table, found.name, "CPU time", found.cpu_s, "s")
            figures.add(table, found.name, "recall", 100 * found.recall, "%")
            figures.add(table, found.name, "false", found.false_pixels, "pixels")
            figures.add(table, found.name, "stars lost", found.stars_lost)
    sky = painted(rng, side, 3.0)
    for peak in (0.0, 1.0, 10.0):
        count, cpu_s, frames, masked = trails(with_trail(sky, peak, 1.3, 25), rounds)
        table, row = f"one trail, {side}²", f"peak of {peak:g} sigma"
        figures.add(table, row, "found", count)
        figures.add(table, row, "CPU time", cpu_s, "s")
        figures.add(table, row, "memory", frames, "frames")
        figures.add(table, row, "masked", 100 * masked, "% of the frame")
    seconds = defects(sky, 3.0, rounds)
    for name, cpu_s in (seconds | {"together": sum(seconds.values())}).items():
        figures.add(f"defects, {side}²", name, "CPU time", cpu_s, "s")
    figures.finish()


if __name__ == "__main__":
    main()
