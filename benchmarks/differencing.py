"""What the difference costs: all products, in units of one transform of the frame.

The unit is ``scipy.fft.rfft2`` of the same float32 frame with two workers. Products
are D, P_D, the PSF flux S / F_S with S_n and S_r, its variance with source,
registration and PSF noise, its error and S_corr. Runs of all contestants take turns
and the median counts, so a busy machine slows all of them alike; programs that take
seconds run once. The bound is the time of the 14 transforms that a textbook ZOGY needs.
Memory is the peak of what is allocated on top of the inputs, in frames of float32. Where
the time over N log2 N is constant, the cost grows like that of a transform.

    .venv/bin/python -m benchmarks.differencing
    .venv/bin/python -m benchmarks.differencing --sides 2048 4096 8192 --no-programs --keep
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import sep
from scipy import fft

from astrid_assets.science.detection.peaks import find_peaks
from astrid_assets.science.differencing.filters import Noises
from astrid_assets.science.differencing.noise import ErrorTerms, score_of
from astrid_assets.science.differencing.zogy import match
from astrid_assets.science.simulation.painting import paint_stars
from astrid_assets.science.simulation.point_spread import PsfField
from benchmarks.costs import peak_frames
from benchmarks.differencing_peers import WORKERS, Pair, bound, programs, textbook
from benchmarks.figures import Figures, parser_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.differencing.local_psf import Stamps

SIDES = (1024, 2048, 4096)
RUNS = 7
FEWEST_RUNS = 3  # of frames larger than 2048²
DOUBLE_MAX_SIDE = 4096  # beyond it 70 frames do not fit in memory
SLOW_S = 2.0  # whatever takes longer runs once
SIGMA_E = 20.0
FWHMS_PX = 3.2, 2.7
STARS_PER_MPX = 1000.0
TERMS = ErrorTerms(jitter_px=0.02, psf_error=0.005)
NOISES = Noises(SIGMA_E, SIGMA_E / 2)
UNIT, BOUND = "one rfft2: the unit", "14 transforms: the bound"


@dataclass(frozen=True)
class Scene:
    """Two frames of noise with some stars, and PSFs that are constant or change."""

    pair: Pair
    usable: np.ndarray
    constant: tuple[Stamps, Stamps]
    changing: tuple[Stamps, Stamps]


@dataclass(frozen=True)
class Cost:
    """Median seconds of wall clock and of CPU, and frames of memory at the peak."""

    wall_s: float
    cpu_s: float
    frames: float


def main() -> None:
    """Time every contestant on frames of every size."""
    parser = parser_of("differencing", __doc__)
    parser.add_argument("--sides", type=int, nargs="*", default=SIDES)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--no-programs", action="store_true", help="none but ours")
    figures = Figures(parser)
    with tempfile.TemporaryDirectory(prefix="astrid-differencing-") as folder:
        time_all(figures, Path(folder))
    figures.finish()


def time_all(figures: Figures, folder: Path) -> None:
    """Add the figures, and notes on what could not be timed."""
    options = figures.options
    for side in options.sides:
        scene = make_scene(side)
        works = contestants(scene)
        if not options.no_programs:
            found, missing = programs(scene.pair, folder)
            works |= found
            for text in missing:
                figures.note(f"Not timed: {text}.")
        runs = options.runs if side <= 2048 else min(options.runs, FEWEST_RUNS)
        costs = measured(works, side, runs)
        for name, cost in costs.items():
            add_cost(figures, name, cost, costs, side)


def make_scene(side: int) -> Scene:
    """Draw frames of a size; the reference has four times the exposure."""
    rng = np.random.default_rng(side)
    shape = side, side
    count = round(STARS_PER_MPX * side * side / 1e6)
    x, y = rng.uniform(0, side, (2, count))
    light = 10 ** rng.uniform(2.5, 5.0, count)

    def expose(field: PsfField, sigma: float) -> tuple[Image, Image]:
        image = np.zeros(shape, dtype=np.float32)
        paint_stars(image, x, y, light, field)
        variance = (sigma**2 + image * (sigma / SIGMA_E) ** 2).astype(np.float32)
        image += np.sqrt(variance) * rng.standard_normal(shape, dtype=np.float32)
        return image, variance

    fields = [PsfField(frame_shape=shape, fwhm_px=fwhm) for fwhm in FWHMS_PX]
    bent = [replace(f, fwhm_bowl=0.05, fwhm_slope=(0.04, 0.03)) for f in fields]
    new_psf, ref_psf = (field.model().coefficients for field in fields)
    new_bent, ref_bent = (field.model().coefficients for field in bent)
    new, new_variance = expose(fields[0], SIGMA_E)
    ref, ref_variance = expose(fields[1], SIGMA_E / 2)
    return Scene(
        pair=Pair(
            new=new,
            ref=ref,
            new_psf=new_psf[0],
            ref_psf=ref_psf[0],
            new_sigma=SIGMA_E,
            ref_sigma=SIGMA_E / 2,
            new_variance=new_variance,
            ref_variance=ref_variance,
        ),
        usable=np.ones(shape, dtype=bool),
        constant=(new_psf, ref_psf),
        changing=(new_bent, ref_bent),
    )


def contestants(scene: Scene) -> dict[str, Callable[[], object]]:
    """Return the unit, the textbook, our own products, and the search for peaks."""
    pair = scene.pair

    def products(psfs: tuple[Stamps, Stamps]) -> tuple[Image, Image, Image]:
        matched = match(pair.new, pair.ref, *psfs, pair.new_variance, pair.ref_variance, NOISES)
        return score_of(matched, scene.usable, TERMS, FWHMS_PX[0])

    flux, flux_err, score = products(scene.constant)
    doubly: dict[str, Callable[[], object]] = {}
    if len(pair.new) <= DOUBLE_MAX_SIDE:
        doubly["textbook ZOGY in complex128"] = lambda: textbook(pair, doubly=True)
    return {
        UNIT: lambda: fft.rfft2(pair.new, workers=WORKERS),
        BOUND: lambda: bound(pair),
        "all products, constant PSF": lambda: products(scene.constant),
        "all products, changing PSF": lambda: products(scene.changing),
        "textbook ZOGY in float32": lambda: textbook(pair),
        **doubly,
        "peaks of the score": lambda: find_peaks(score, flux, flux_err, 5.0, 3),
        "sep.extract on the score": lambda: sep.extract(score, 5.0, minarea=1),
    }


def measured(works: dict[str, Callable[[], object]], side: int, runs: int) -> dict[str, Cost]:
    """Time all in turns; memory once each."""
    slow, peaks = set(), {}
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for name, work in works.items():
        work()  # compiles and plans
        peaks[name] = peak_frames(work, side * side)
        began = _now()
        work()
        if _now()[0] - began[0] > SLOW_S and name not in (UNIT, BOUND):
            slow.add(name)
            spent[name].append(_since(began))
    for _ in range(runs):
        for name, work in works.items():
            if name not in slow:
                began = _now()
                work()
                spent[name].append(_since(began))
    return {
        name: Cost(
            float(np.median([wall for wall, _ in times])),
            float(np.median([cpu for _, cpu in times])),
            peaks[name],
        )
        for name, times in spent.items()
    }


def add_cost(figures: Figures, name: str, cost: Cost, costs: dict[str, Cost], side: int) -> None:
    """Add seconds, ratios, memory, and how the time grows."""
    pixels = side * side
    for quantity, value, unit in (
        ("wall time", cost.wall_s, "s"),
        ("wall time", cost.wall_s / costs[UNIT].wall_s, "units"),
        ("CPU time", cost.cpu_s / costs[UNIT].cpu_s, "units"),
        ("over the bound", cost.wall_s / costs[BOUND].wall_s, ""),
        ("memory", cost.frames, "frames"),
        ("time over N log2 N", 1e9 * cost.wall_s / (pixels * np.log2(pixels)), "ns"),
    ):
        figures.add(f"{side}²", name, quantity, value, unit)


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(began: tuple[float, float]) -> tuple[float, float]:
    wall, cpu = _now()
    return wall - began[0], cpu - began[1]


if __name__ == "__main__":
    main()
