"""Seconds and memory of making and applying masters, beside ccdproc's, in one run.

CPU seconds of one thread, the best of several; memory is the peak of numpy's
allocations, in float32 frames.

    .venv/bin/python -m benchmarks.calibration
    .venv/bin/python -m benchmarks.calibration --side 1024 --keep
"""

from __future__ import annotations

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
from benchmarks.costs import cpu_of, peak_frames
from benchmarks.figures import Figures, parser_of

if TYPE_CHECKING:
    from collections.abc import Callable

MEMBERS = 5
EXPOSURE_S = 60.0
LEVELS_E = {"bias": 0.0, "dark": 30.0, "flat": 30_000.0}


def main() -> None:
    """Time every step."""
    parser = parser_of("calibration", __doc__)
    parser.add_argument("--side", type=int, default=2048, help="pixels")
    figures = Figures(parser)
    side = figures.options.side
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
    steps: dict[str, tuple[Callable[[], object], int]] = {
        "bias, dark and flat of 5 frames each": (lambda: masters_of(stacks), 2),
        "the same by ccdproc.Combiner": (lambda: combiners(stacks), 1),
        "masters prepared, once": (lambda: replace(masters).defects, 3),
        "calibrate": (lambda: calibrate(frame, masters), 5),
        "the same by ccdproc": (lambda: by_ccdproc(light, masters), 2),
        "variance": (lambda: calibrated_variance(light, EXPOSURE_S, 6.0, masters), 5),
        "overscan, median": (lambda: without_overscan(light, strip, kept), 3),
        "overscan, rows": (lambda: without_overscan(light, strip, kept, "rows"), 3),
    }
    table = f"one frame of {side}², one thread"
    for name, (work, times) in steps.items():
        cpu_s, frames = cost(work, times, side)
        figures.add(table, name, "CPU time", cpu_s, "s")
        figures.add(table, name, "per megapixel", cpu_s / side**2 * 1e6, "s")
        figures.add(table, name, "memory", frames, "frames")
    figures.finish()


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
        combiner.sigma_clipping(
            func=np.ma.median,  # type: ignore[arg-type]  # ccdproc takes functions as well as names
            dev_func=np.ma.std,  # type: ignore[arg-type]
        )
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


def cost(work: Callable[[], object], times: int, side: int) -> tuple[float, float]:
    """Return the least CPU seconds of a step and its peak memory in frames."""
    return min(cpu_of(work) for _ in range(times)), peak_frames(work, side * side)


if __name__ == "__main__":
    main()
