"""The chain of one frame for `frames`: simulated, run, in a night, and its memory."""

from __future__ import annotations

import multiprocessing
import pickle
import resource
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.compute import Compute
from astrid_assets.science.arrays.threads import set_threads
from astrid_assets.science.calibration.masters import Masters, make_master
from astrid_assets.science.frame import Frame
from astrid_assets.science.processing.anchor import make_anchor
from astrid_assets.science.processing.diagnostics import frame_diagnostics
from astrid_assets.science.processing.measuring import measure_frame
from astrid_assets.science.processing.solving import solve_frame
from astrid_assets.science.registration.resampling import pixel_mapping, resample
from astrid_assets.science.settings import ProcessingSettings
from astrid_assets.science.simulation.detector import calibration_adu
from astrid_assets.science.simulation.exposure import expose
from astrid_assets.science.simulation.scene import SimulationPlan
from astrid_assets.storage.fits.frames import frame_to_fits

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from astrid_assets.science.calibration.masters import Kind
    from astrid_assets.science.processing.anchor import Anchor

SETTINGS = ProcessingSettings()
NIGHT_FRAMES = 12


@dataclass(frozen=True)
class World:
    """Masters, an anchor and one science frame of a simulated field."""

    masters: Masters
    anchor: Anchor
    raw: Frame


def simulate(side: int, seed: int = 3) -> World:
    """Make an anchor, a raw frame, and the masters that fit them."""
    plan = SimulationPlan(
        scene_name="wide", seed=seed, shape=(side, side), frames_per_night=3, first_mjd=60735.0
    )
    gain = np.float32(plan.scene.gain_e_per_adu)
    seconds = plan.scene.exposure_s

    def calibration(kind: Kind) -> list[NDArray[np.float32]]:
        return [calibration_adu(plan, kind, k) * gain for k in range(5)]

    bias = make_master(calibration("bias"), "bias").image
    dark = make_master(calibration("dark"), "dark", bias=bias, exposures_s=[seconds] * 5).image
    flat = make_master(calibration("flat"), "flat", bias=bias).image
    masters = Masters(bias=bias, dark=dark, flat=flat)
    anchor = make_anchor(measure_frame(_light(plan, 0, 0), masters, SETTINGS), SETTINGS)
    return World(masters, anchor, _light(plan, 0, 1))


def _light(plan: SimulationPlan, night: int, index: int) -> Frame:
    exposure, scene = expose(plan, night, index), plan.scene
    gain = scene.gain_e_per_adu
    return Frame(
        frame_id=f"{night}.{index}",
        data=exposure.adu.astype(np.float32) * np.float32(gain),
        mask=np.zeros(plan.shape, np.uint16),
        wcs=exposure.truth.wcs,
        observed_mjd=60735.0 + night,
        exposure_s=scene.exposure_s,
        band="r",
        gain_e_per_adu=gain,
        read_noise_e=scene.read_noise_e,
        saturation_e=0.95 * scene.full_well_e,
    )


def run_chain(world: World) -> bytes:
    """Calibrate, mask, measure, solve, register on the anchor's grid, and write."""
    measured = measure_frame(world.raw, world.masters, SETTINGS)
    processed = solve_frame(measured, world.anchor, SETTINGS)
    assert processed.is_accepted, processed.reasons
    frame_diagnostics(processed, measured)
    frame = processed.frame
    assert frame.wcs is not None
    assert frame.variance is not None
    mapping = pixel_mapping(world.anchor.wcs, frame.wcs, frame.shape)
    resample(frame.data, frame.variance, frame.mask, mapping, frame.shape)
    return frame_to_fits(frame, processed.stars)


def night(path: str) -> float:
    """Return the wall seconds of a night's frames in two worker processes."""
    compute = Compute("processes", 2)
    # The first ones load and compile; a night does that once.
    list(compute.map(run_stored, [path] * 4))
    began = time.perf_counter()
    for _ in compute.map(run_stored, [path] * NIGHT_FRAMES):
        pass
    return time.perf_counter() - began


def run_stored(path: str) -> int:
    """Run the chain of a world that another process wrote."""
    return len(run_chain(_stored(path)))


@lru_cache(maxsize=1)
def _stored(path: str) -> World:
    return pickle.loads(Path(path).read_bytes())  # noqa: S301  our own, a second ago


def peak_growth(small: str, large: str) -> float:
    """Return by how much one frame's chain raises a fresh process's size, in frames.

    Memory that was used and freed before stays with a process and would hide what the
    chain takes.
    """
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        return pool.submit(_growth, small, large).result()


def _growth(small: str, large: str) -> float:
    set_threads(1)
    run_stored(small)
    world = _stored(large)
    return _largest_size(lambda: run_chain(world)) / world.raw.data.nbytes


def _largest_size(work: Callable[[], object]) -> float:
    """Return the largest growth of the process's resident size meanwhile, in bytes."""
    page = resource.getpagesize()

    def size() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * page

    before = size()
    largest, over = [before], threading.Event()

    def watch() -> None:
        while not over.wait(0.002):
            largest[0] = max(largest[0], size())

    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    over.set()
    watcher.join()
    return float(largest[0] - before)
