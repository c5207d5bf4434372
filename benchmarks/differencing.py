"""What the difference costs: all products, in units of one transform of the frame.

The unit is ``scipy.fft.rfft2`` of the same float32 frame with two workers. Products
are D, P_D, the PSF flux S / F_S with S_n and S_r, its variance with source,
registration and PSF noise, its error and S_corr. Runs of all contestants take turns
and the median counts, so a busy machine slows all of them alike. Memory is the peak
of what is allocated on top of the inputs, in frames of float32.

    .venv/bin/python benchmarks/differencing.py
    .venv/bin/python benchmarks/differencing.py --sides 1024 2048 --runs 9
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sep
from rich.console import Console
from rich.table import Table
from scipy import fft

from astrid_assets.science.detection.peaks import find_peaks
from astrid_assets.science.differencing.filters import Noises
from astrid_assets.science.differencing.noise import ErrorTerms, score_of
from astrid_assets.science.differencing.zogy import match
from astrid_assets.science.simulation.point_spread import PsfField

if TYPE_CHECKING:
    from collections.abc import Callable

    from astrid_assets.science.differencing.local_psf import Stamps
    from astrid_assets.science.frame import Image

SIDES = (1024, 2048, 4096)
RUNS = 5
SIGMA_E = 20.0
WORKERS = 2
TERMS = ErrorTerms(jitter_px=0.02, psf_error=0.005)
NOISES = Noises(SIGMA_E, SIGMA_E / 2)


@dataclass(frozen=True)
class Scene:
    """Two frames of noise with some stars, and PSFs that are constant or change."""

    new: Image
    ref: Image
    new_variance: Image
    ref_variance: Image
    usable: np.ndarray
    constant: tuple[Stamps, Stamps]
    changing: tuple[Stamps, Stamps]


def main() -> None:
    """Time every contestant on frames of every size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="*", default=SIDES)
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    table = Table("side", "what", "s", "units", "CPU units", "frames of memory")
    for side in options.sides:
        scene = make_scene(side)
        for name, numbers in measured(contestants(scene), side, options.runs).items():
            table.add_row(str(side), name, *numbers)
    Console().print(table)


def make_scene(side: int) -> Scene:
    """Draw frames of a size."""
    rng = np.random.default_rng(side)
    shape = side, side
    new = rng.normal(0, SIGMA_E, shape).astype(np.float32)
    ref = rng.normal(0, SIGMA_E / 2, shape).astype(np.float32)
    still = {"frame_shape": shape, "fwhm_bowl": 0.0}
    bent = still | {"fwhm_bowl": 0.05, "fwhm_slope": (0.04, 0.03)}
    constant, changing = (
        tuple(
            PsfField(fwhm_px=fwhm, **options).model().coefficients
            for fwhm in (3.2, 2.7)
        )
        for options in (still, bent)
    )
    return Scene(
        new=new,
        ref=ref,
        new_variance=np.full(shape, SIGMA_E**2, np.float32),
        ref_variance=np.full(shape, SIGMA_E**2 / 4, np.float32),
        usable=np.ones(shape, dtype=bool),
        constant=constant,
        changing=changing,
    )


def contestants(scene: Scene) -> dict[str, Callable[[], object]]:
    """Return the unit, our own products, and the search for peaks."""

    def products(psfs: tuple[Stamps, Stamps]) -> tuple[Image, Image, Image]:
        matched = match(
            scene.new, scene.ref, *psfs, scene.new_variance, scene.ref_variance, NOISES
        )
        return score_of(matched, scene.usable, TERMS, 3.2)

    flux, flux_err, score = products(scene.constant)
    return {
        "rfft2": lambda: fft.rfft2(scene.new, workers=WORKERS),
        "all products, constant PSF": lambda: products(scene.constant),
        "all products, changing PSF": lambda: products(scene.changing),
        "peaks of the score": lambda: find_peaks(score, flux, flux_err, 5.0, 3),
        "sep.extract on the score": lambda: sep.extract(score, 5.0, minarea=1),
    }


def measured(
    works: dict[str, Callable[[], object]], side: int, runs: int
) -> dict[str, tuple[str, ...]]:
    """Time all in turns; memory once each."""
    for work in works.values():
        work()
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            spent[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    medians = {name: np.median(times, axis=0) for name, times in spent.items()}
    unit = medians["rfft2"]
    rows = {}
    for name, work in works.items():
        tracemalloc.start()
        work()
        peak = tracemalloc.get_traced_memory()[1] / (4 * side * side)
        tracemalloc.stop()
        wall, cpu = medians[name]
        rows[name] = (
            f"{wall:.3f}", f"{wall / unit[0]:.1f}", f"{cpu / unit[1]:.1f}",
            f"{peak:.1f}",
        )  # fmt: skip
    return rows


if __name__ == "__main__":
    main()
