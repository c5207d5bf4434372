"""Seconds and memory of making and applying masters, beside ccdproc's, in one run.

::

    python benchmarks/calibration.py [side]

CPU seconds of one thread, the best of several; memory in float32 frames, as numpy's
allocations tell.
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData
from ccdproc import Combiner, flat_correct, subtract_bias, subtract_dark

from astrid_assets.science.arrays.threads import set_threads
from astrid_assets.science.calibration.calibrate import calibrate
from astrid_assets.science.calibration.masters import Masters, make_master
from astrid_assets.science.calibration.overscan import without_overscan
from astrid_assets.science.calibration.variance import calibrated_variance
from astrid_assets.science.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

MEMBERS = 5
EXPOSURE_S = 60.0
LEVELS_E = {"bias": 0.0, "dark": 30.0, "flat": 30_000.0}


def main(side: int) -> None:
    """Print one line per step: seconds, and megapixels or frames of memory."""
    set_threads(1)
    rng = np.random.default_rng(1)
    stacks = {
        kind: [noisy(rng, side, level) for _ in range(MEMBERS)] for kind, level in LEVELS_E.items()
    }
    light = noisy(rng, side, 500.0)
    frame = Frame(
        frame_id="light",
        data=light,
        mask=np.zeros(light.shape, np.uint16),
        wcs=None,
        observed_mjd=60_735.0,
        exposure_s=EXPOSURE_S,
        band="r",
        read_noise_e=6.0,
        saturation_e=60_000.0,
    )
    warm = {kind: [image[:64] for image in stack] for kind, stack in stacks.items()}
    # Compiled before the clock runs.
    calibrate(replace(frame, data=light[:64], mask=frame.mask[:64]), masters_of(warm))
    masters = masters_of(stacks)
    strip, kept = (slice(0, side), slice(0, 32)), (slice(0, side), slice(32, side))
    told("make bias, dark, flat of 5", lambda: masters_of(stacks), 2)
    told("  ccdproc.Combiner", lambda: combiners(stacks), 1)
    told("prepare masters, once", lambda: replace(masters).defects, 3)
    told("calibrate", lambda: calibrate(frame, masters), 5)
    told("  ccdproc bias, dark, flat", lambda: by_ccdproc(light, masters), 2)
    told("variance", lambda: calibrated_variance(light, EXPOSURE_S, 6.0, masters), 5)
    told("overscan, median", lambda: without_overscan(light, strip, kept), 3)
    told("overscan, rows", lambda: without_overscan(light, strip, kept, "rows"), 3)


def noisy(rng: np.random.Generator, side: int, level: float) -> np.ndarray:
    """Return a frame of so many electrons over a pedestal of 1000."""
    noise = rng.standard_normal((side, side), dtype=np.float32)
    return np.float32(1000 + level) + np.float32(np.sqrt(36 + level)) * noise


def masters_of(stacks: dict[str, list[np.ndarray]]) -> Masters:
    """Make the three masters."""
    times = [EXPOSURE_S] * MEMBERS
    bias = make_master(stacks["bias"], "bias").image
    dark = make_master(stacks["dark"], "dark", bias=bias, exposures_s=times).image
    flat = make_master(
        stacks["flat"], "flat", bias=bias, dark=dark, exposures_s=[4.0] * MEMBERS
    ).image
    return Masters(bias=bias, dark=dark, flat=flat)


def combiners(stacks: dict[str, list[np.ndarray]]) -> list[CCDData]:
    """Clip and average each stack by ccdproc."""
    done: list[CCDData] = []
    for stack in stacks.values():
        combiner = Combiner([CCDData(image, unit="electron") for image in stack])
        combiner.sigma_clipping(func=np.ma.median, dev_func=np.ma.std)
        done.append(combiner.average_combine())
    return done


def by_ccdproc(light: np.ndarray, masters: Masters) -> CCDData:
    """Calibrate by ccdproc, which knows no mask of defects."""
    images = [
        CCDData(image, unit="electron")
        for image in (light, masters.bias, masters.dark, masters.flat)
    ]
    frame = subtract_bias(images[0], images[1])
    frame = subtract_dark(
        frame, images[2], dark_exposure=1 * u.s, data_exposure=EXPOSURE_S * u.s, scale=True
    )
    return flat_correct(frame, images[3])


def told(name: str, work: Callable[[], object], times: int) -> None:
    """Time a step and print it."""
    best = float("inf")
    for _ in range(times):
        began = time.process_time()
        result = work()
        best = min(best, time.process_time() - began)
        del result
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    frames = peak / (4 * SIDE * SIDE)
    per_megapixel = best / SIDE**2 * 1e6
    print(f"{name:28} {best:8.4f} s {per_megapixel:9.5f} s/Mpx {frames:6.1f} frames")


if __name__ == "__main__":
    SIDE = int(sys.argv[1]) if len(sys.argv) > 1 else 2048
    main(SIDE)
