"""What a frame costs: every step, the chain, its memory, and what others would take.

Frames are simulated raw exposures with bias, dark, flat, cosmic rays and stars. Steps
and the programs people would use instead take turns in one process with one thread
each; CPU seconds are told, so that a busy machine changes little. Then a night is run
as the asset does it, two workers side by side, and frames per hour are counted. What
is not installed is left out and named. Accuracy beside speed is compared step by step
in `masks.py`, `psf.py`, `registration.py` and `calibration.py`.

    .venv/bin/python benchmarks/frames.py
    .venv/bin/python benchmarks/frames.py --side 1024 --rounds 5
"""

from __future__ import annotations

import argparse
import atexit
import importlib.util
import io
import os
import pickle
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import astroscrappy
import numpy as np
import sep
from astropy.io import fits
from psf import epsf
from registration import make_sky, prepare_swarp, swarped
from reproject import reproject_interp
from rich.console import Console
from rich.table import Table

from astrid_assets.compute import Compute
from astrid_assets.science.arrays.threads import set_threads
from astrid_assets.science.calibration.calibrate import calibrate
from astrid_assets.science.calibration.masters import Masters, combine
from astrid_assets.science.frame import Frame
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.masking.cosmic_rays import find_cosmic_rays
from astrid_assets.science.masking.defects import missing_pixels, saturated_pixels
from astrid_assets.science.masking.trails import find_trails
from astrid_assets.science.processing.anchor import make_anchor
from astrid_assets.science.processing.diagnostics import frame_diagnostics
from astrid_assets.science.processing.measuring import measure
from astrid_assets.science.processing.solving import solve
from astrid_assets.science.psf.fitting import fit_psf
from astrid_assets.science.psf.star_selection import choose_psf_stars
from astrid_assets.science.quality.noise_pattern import noise_pattern
from astrid_assets.science.registration.resampling import pixel_mapping, resample
from astrid_assets.science.settings import ProcessingSettings
from astrid_assets.science.simulation.detector import calibration_adu
from astrid_assets.science.simulation.exposure import expose
from astrid_assets.science.simulation.scene import SimulationPlan
from astrid_assets.science.sky.background import measure_background
from astrid_assets.science.stars.measurement import measure_stars, with_psf_fluxes
from astrid_assets.storage.fits.frames import frame_from_fits, frame_to_fits

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from astrid_assets.science.calibration.masters import Kind
    from astrid_assets.science.processing.anchor import Anchor

SETTINGS = ProcessingSettings()
WARM_UP_SIDE = 512  # compiles every kernel before anything is timed
NIGHT_FRAMES = 12
SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class World:
    """Masters, an anchor and one science frame of a simulated field."""

    masters: Masters
    anchor: Anchor
    raw: Frame


@dataclass(frozen=True)
class Line:
    """One step: median CPU seconds of ours and of the other program, if any.

    `frames`: peak of what ours allocates beyond its input, in float32 frames.
    """

    step: str
    ours_s: float
    frames: float
    peer: str = ""
    peer_s: float | None = None


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=2048, help="pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-memory", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only_memory:
        print(peak_growth(*options.only_memory))
        return
    console = Console()
    set_threads(1)
    small = simulate(WARM_UP_SIDE)
    run_chain(small)
    world = simulate(options.side)
    megapixels = options.side**2 / 1e6
    lines = steps(world, options.rounds)
    table = Table(title=f"one thread, {options.side}², CPU seconds")
    for name in ("step", "ours", "per Mpx", "frames", "instead", "takes", "ratio"):
        table.add_column(name, justify="left" if name in ("step", "instead") else "right")
    for line in lines:
        ratio = "" if line.peer_s is None else f"{line.peer_s / line.ours_s:.1f}"
        peer_s = "" if line.peer_s is None else f"{line.peer_s:.2f}"
        table.add_row(
            line.step,
            f"{line.ours_s:.3f}",
            f"{line.ours_s / megapixels:.3f}",
            f"{line.frames:.1f}",
            line.peer,
            peer_s,
            ratio,
        )
    console.print(table)
    chain = median_cpu(lambda: run_chain(world), options.rounds)
    others = sum(line.peer_s for line in lines if line.peer_s is not None)
    console.print(
        f"whole chain, read to written and registered: {chain:.2f} CPU-s; the others "
        f"in a row: {others:.2f}, {others / chain:.1f} times as much"
    )
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("small", "large")]
        for path, one in zip(paths, (small, world), strict=True):
            Path(path).write_bytes(pickle.dumps(one))
        answer = subprocess.run(  # noqa: S603  this file
            [sys.executable, __file__, "--only-memory", *paths],
            check=True,
            capture_output=True,
            text=True,
        )
        console.print(f"peak memory: {float(answer.stdout):.1f} float32 frames")
        wall = night(paths[1])
    console.print(
        f"a night of {NIGHT_FRAMES} frames, two workers: {wall / NIGHT_FRAMES:.2f} s "
        f"per frame, {SECONDS_PER_HOUR * NIGHT_FRAMES / wall:.0f} per hour"
    )


def simulate(side: int, seed: int = 3) -> World:
    """Make an anchor, a raw frame, and the masters that fit them."""
    plan = SimulationPlan(
        scene_name="wide", seed=seed, shape=(side, side), frames_per_night=3, first_mjd=60735.0
    )
    gain = np.float32(plan.scene.gain_e_per_adu)
    seconds = plan.scene.exposure_s

    def calibration(kind: Kind) -> list[NDArray[np.float32]]:
        return [calibration_adu(plan, kind, k) * gain for k in range(5)]

    bias = combine(calibration("bias"), "bias")
    dark = combine(calibration("dark"), "dark", bias=bias, exposures_s=[seconds] * 5)
    flat = combine(calibration("flat"), "flat", bias=bias)
    masters = Masters(bias=bias, dark=dark, flat=flat)
    anchor = make_anchor(measure(_light(plan, 0, 0), masters, SETTINGS), SETTINGS)
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
    measured = measure(world.raw, world.masters, SETTINGS)
    processed = solve(measured, world.anchor, SETTINGS)
    assert processed.is_accepted, processed.reasons
    frame_diagnostics(processed, measured)
    frame = processed.frame
    assert frame.wcs is not None
    assert frame.variance is not None
    mapping = pixel_mapping(world.anchor.wcs, frame.wcs, frame.shape)
    resample(frame.data, frame.variance, frame.mask, mapping, frame.shape)
    return frame_to_fits(frame, processed.stars)


def steps(world: World, rounds: int) -> list[Line]:
    """Time every step on its own, next to what people would use instead."""
    raw, masters = world.raw, world.masters
    frame = calibrate(raw, masters)
    data, mask = missing_pixels(frame.data, frame.mask)
    mask = saturated_pixels(data, mask, frame.saturation_e)
    bad = (mask & UNUSABLE) != 0
    sky = measure_background(data, bad)
    light = data - sky.level
    measured = measure(raw, masters, SETTINGS)
    done, stars = measured.frame, measured.stars
    variance, psf = done.variance, done.psf
    assert variance is not None
    assert psf is not None
    processed = solve(measured, world.anchor, SETTINGS)
    assert processed.frame.wcs is not None
    mapping = pixel_mapping(world.anchor.wcs, processed.frame.wcs, frame.shape)
    sigma = float(done.sky_rms_e or 1.0)
    contiguous = np.ascontiguousarray(light)
    written = frame_to_fits(done, stars)
    chosen = choose_psf_stars(stars)
    pairs: list[tuple[str, Callable[[], object], str, Callable[[], object] | None]] = [
        (
            "calibration",
            lambda: calibrate(raw, masters),
            "numpy",
            lambda: _plain_calibration(raw, masters),
        ),
        (
            "background",
            lambda: measure_background(data, bad),
            "sep.Background",
            lambda: sep.Background(data, mask=bad, bw=64, bh=64).back(),
        ),
        ("noise patterns", lambda: noise_pattern(light, sky.rms, bad), "", None),
        ("trails", lambda: find_trails(light, sky.rms, bad), "", None),
        (
            "cosmic rays",
            lambda: find_cosmic_rays(light, variance, bad),
            "astroscrappy",
            lambda: astroscrappy.detect_cosmics(
                light,
                inmask=bad,
                invar=variance,
                sigclip=4.5,
                objlim=5.0,
                satlevel=np.inf,
                cleantype="medmask",
            ),
        ),
        (
            "stars",
            lambda: measure_stars(done, psf.fwhm_px),
            "sep.extract",
            lambda: sep.extract(contiguous, 5.0, err=sigma, mask=bad),
        ),
        (
            "PSF",
            lambda: fit_psf(done, stars),
            "EPSFBuilder",
            lambda: epsf(done, chosen, psf.size, 2),
        ),
        ("PSF fluxes", lambda: with_psf_fluxes(stars, done), "", None),
        (
            "WCS, zero point",
            lambda: solve(measured, world.anchor, SETTINGS),
            *_astroalign(light, world),
        ),
        (
            "registration",
            lambda: resample(done.data, variance, done.mask, mapping, done.shape),
            *_resampler(processed.frame, world),
        ),
        ("write", lambda: frame_to_fits(done, stars), "astropy RICE", lambda: _rice(done.data)),
        ("read", lambda: frame_from_fits(written), "", None),
    ]
    lines = []
    for step, ours, peer, theirs in pairs:
        mine: list[float] = []
        other: list[float] = []
        for _ in range(rounds):
            mine.append(_cpu(ours))
            if theirs is not None:
                other.append(_cpu(theirs))
        lines.append(
            Line(
                step,
                statistics.median(mine),
                _peak(ours) / raw.data.nbytes,
                peer,
                statistics.median(other) if other else None,
            )
        )
    return lines


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
    """Return by how much one frame's chain raises this process's size, in frames.

    Run in a fresh process: memory that was used and freed before stays with the
    process and would hide what the chain takes.
    """
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


def _peak(work: Callable[[], object]) -> float:
    """Return the largest memory that numpy takes meanwhile, in bytes."""
    tracemalloc.start()
    try:
        work()
        return float(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def median_cpu(work: Callable[[], object], rounds: int) -> float:
    """Return the median CPU seconds of a function."""
    return statistics.median(_cpu(work) for _ in range(rounds))


def _cpu(work: Callable[[], object]) -> float:
    began = _spent()
    work()
    return _spent() - began


def _spent() -> float:
    """Return the CPU seconds of this process and of programs it ran."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _plain_calibration(raw: Frame, masters: Masters) -> object:
    assert masters.bias is not None
    assert masters.dark is not None
    assert masters.flat is not None
    return (raw.data - masters.bias - masters.dark * raw.exposure_s) / masters.flat


def _astroalign(
    light: NDArray[np.float32], world: World
) -> tuple[str, Callable[[], object] | None]:
    """Align with astroalign, where it is installed."""
    if importlib.util.find_spec("astroalign") is None:
        return "(astroalign is not installed)", None
    import astroalign  # noqa: PLC0415  only where it is installed

    stars = world.anchor.stars
    target = np.column_stack([stars.x, stars.y])[:50]
    return "astroalign", lambda: astroalign.find_transform(light, target)


def _resampler(frame: Frame, world: World) -> tuple[str, Callable[[], object]]:
    """Register with SWarp where it is installed, else with reproject."""
    swarp = shutil.which("SWarp") or shutil.which("swarp")
    if swarp is None:
        return "reproject bicubic", lambda: _reprojected(frame, world)
    folder = Path(tempfile.mkdtemp(prefix="astrid-swarp-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    sky = make_sky(frame.shape[0], 2.5, 0.3, 1.0)
    prepare_swarp(folder, sky, np.ones(frame.shape, np.float32), frame.mask)
    return (
        "SWarp LANCZOS3, without combining",
        lambda: swarped(swarp, folder, sky, ["-COMBINE", "N"]),
    )


def _reprojected(frame: Frame, world: World) -> object:
    return reproject_interp(
        (frame.data, frame.wcs),
        world.anchor.wcs,
        shape_out=frame.shape,
        order="bicubic",
        return_footprint=False,
    )


def _rice(data: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    plane = fits.CompImageHDU(data, compression_type="RICE_1", quantize_level=16.0)
    fits.HDUList([fits.PrimaryHDU(), plane]).writeto(buffer)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
