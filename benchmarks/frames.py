"""What a frame costs: every step, the chain, its memory, and what others would take.

Frames are simulated raw exposures with bias, dark, flat, cosmic rays and stars. Steps
and the programs people would use instead take turns in one process with one thread
each; CPU seconds are given, so that a busy machine changes little. Then a night is run
as the asset does it, two workers side by side, and frames per hour are counted. What
is not installed is left out and named. Accuracy beside speed is compared step by step
in `masks`, `psf`, `registration` and `calibration`.

    .venv/bin/python -m benchmarks.frames
    .venv/bin/python -m benchmarks.frames --side 1024 --rounds 5 --keep
"""

from __future__ import annotations

import pickle
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import sep
from astroscrappy.astroscrappy import detect_cosmics

from astrid_assets.science.arrays.threads import set_threads
from astrid_assets.science.calibration.calibrate import calibrate
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.masking.cosmic_rays import find_cosmic_rays
from astrid_assets.science.masking.defects import missing_pixels, saturated_pixels
from astrid_assets.science.masking.trails import find_trails
from astrid_assets.science.processing.measuring import measure_frame
from astrid_assets.science.processing.solving import solve_frame
from astrid_assets.science.psf.fitting import fit_psf
from astrid_assets.science.psf.star_selection import choose_psf_stars
from astrid_assets.science.quality.noise_pattern import noise_pattern
from astrid_assets.science.registration.resampling import pixel_mapping, resample
from astrid_assets.science.sky.background import measure_background
from astrid_assets.science.stars.measurement import measure_stars, with_psf_fluxes
from astrid_assets.storage.fits.frames import frame_from_fits, frame_to_fits
from benchmarks.chain import NIGHT_FRAMES, SETTINGS, World, night, peak_growth, run_chain, simulate
from benchmarks.costs import cpu_of, peak_frames
from benchmarks.figures import Figures, parser_of
from benchmarks.frames_peers import aligner, by_numpy, compressed, resampler
from benchmarks.psf import epsf

if TYPE_CHECKING:
    from collections.abc import Callable

WARM_UP_SIDE = 512  # compiles every kernel before anything is timed
SECONDS_PER_HOUR = 3600


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
    """Time the steps, the chain and a night."""
    parser = parser_of("frames", __doc__)
    parser.add_argument("--side", type=int, default=2048, help="pixels")
    parser.add_argument("--rounds", type=int, default=3)
    figures = Figures(parser)
    options = figures.options
    set_threads(1)
    small = simulate(WARM_UP_SIDE)
    run_chain(small)
    world = simulate(options.side)
    lines = steps(world, options.rounds)
    table = f"one frame of {options.side}², one thread"
    for line in lines:
        figures.add(table, line.step, "CPU time", line.ours_s, "s")
        figures.add(table, line.step, "per megapixel", line.ours_s / options.side**2 * 1e6, "s")
        figures.add(table, line.step, "memory", line.frames, "frames")
        if line.peer_s is not None:
            figures.add(table, f"{line.step} by {line.peer}", "CPU time", line.peer_s, "s")
            over = line.peer_s / line.ours_s
            figures.add(table, f"{line.step} by {line.peer}", "over ours", over)
        elif line.peer:
            figures.note(line.peer)
    chain = median_cpu(lambda: run_chain(world), options.rounds)
    others = sum(line.peer_s for line in lines if line.peer_s is not None)
    whole = "the chain, raw to written and registered"
    figures.add(table, whole, "CPU time", chain, "s")
    figures.add(table, "the other programs in a row", "CPU time", others, "s")
    figures.add(table, "the other programs in a row", "over ours", others / chain)
    with tempfile.TemporaryDirectory(prefix="astrid-frames-") as folder:
        paths = [str(Path(folder) / name) for name in ("small", "large")]
        for path, one in zip(paths, (small, world), strict=True):
            Path(path).write_bytes(pickle.dumps(one))
        figures.add(table, whole, "memory", peak_growth(*paths), "frames")
        wall = night(paths[1])
    per_night = f"a night of {NIGHT_FRAMES} such frames, two workers"
    figures.add(per_night, "the chain", "wall time per frame", wall / NIGHT_FRAMES, "s")
    per_hour = SECONDS_PER_HOUR * NIGHT_FRAMES / wall
    figures.add(per_night, "the chain", "frames per hour", per_hour)
    figures.finish()


def steps(world: World, rounds: int) -> list[Line]:
    """Time every step on its own, next to what people would use instead."""
    raw, masters = world.raw, world.masters
    frame = calibrate(raw, masters)
    data, mask = missing_pixels(frame.data, frame.mask)
    mask = saturated_pixels(data, mask, frame.saturation_e)
    bad = (mask & UNUSABLE) != 0
    sky = measure_background(data, bad)
    light = data - sky.level
    measured = measure_frame(raw, masters, SETTINGS)
    done, stars = measured.frame, measured.stars
    variance, psf = done.variance, done.psf
    assert variance is not None
    assert psf is not None
    processed = solve_frame(measured, world.anchor, SETTINGS)
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
            lambda: by_numpy(raw, masters),
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
            lambda: detect_cosmics(
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
            lambda: solve_frame(measured, world.anchor, SETTINGS),
            *aligner(light, world),
        ),
        (
            "registration",
            lambda: resample(done.data, variance, done.mask, mapping, done.shape),
            *resampler(processed.frame, world),
        ),
        (
            "write",
            lambda: frame_to_fits(done, stars),
            "astropy RICE",
            lambda: compressed(done.data),
        ),
        ("read", lambda: frame_from_fits(written), "", None),
    ]
    lines = []
    for step, ours, peer, theirs in pairs:
        mine: list[float] = []
        other: list[float] = []
        for _ in range(rounds):
            mine.append(cpu_of(ours))
            if theirs is not None:
                other.append(cpu_of(theirs))
        lines.append(
            Line(
                step,
                statistics.median(mine),
                peak_frames(ours, raw.data.size),
                peer,
                statistics.median(other) if other else None,
            )
        )
    return lines


def median_cpu(work: Callable[[], object], rounds: int) -> float:
    """Return the median CPU seconds of a function."""
    return statistics.median(cpu_of(work) for _ in range(rounds))


if __name__ == "__main__":
    main()
