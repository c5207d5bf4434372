"""What a frame costs from the store to its detections, step by step.

A simulated pair is measured as the pipeline does it and stored; then the night's own
functions read, register, subtract, write, read again, detect and cut. Every step is
timed without those inside it, in units of one ``scipy.fft.rfft2`` of the same float32
frame with two workers, the median of runs that take turns with the unit: for the first
frame of a night, and for each further one, which finds the reference in memory. Where
hotpants is on the path, it is timed in the same run: from uncompressed FITS to FITS, of
images that are registered already, and without detection.

    .venv/bin/python -m benchmarks.asset
    .venv/bin/python -m benchmarks.asset --side 4096 --runs 3 --keep
"""

from __future__ import annotations

import functools
import shutil
import tempfile
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from astrid_assets.science.arrays.threads import set_threads
from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.science.differencing import noise, subtraction
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.processing.measuring import measure_frame
from astrid_assets.science.settings import ProcessingSettings
from astrid_assets.science.simulation.pair import simulate_pair
from astrid_assets.steps.detections import search
from astrid_assets.steps.difference_images import subtract
from astrid_assets.steps.reference_frames import reading
from astrid_assets.storage.fits.frames import frame_to_fits
from astrid_assets.storage.objects.client_store import ClientStore
from astrid_assets.storage.objects.object_store import open_object_store
from benchmarks.differencing_peers import hotpants
from benchmarks.figures import Figures, parser_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from astrid_assets.science.frame import Frame
    from astrid_assets.storage.objects.object_store import ObjectStore

SIDE, RUNS = 2048, 7
STARS_PER_MPX = 1000.0
SKY_E = 400.0
TRANSIENTS = 60
NIGHT = "2026-01-01"
WORKERS = 2
OTHER, ALL = "the rest of the steps", "all"

STEPS: dict[str, tuple[tuple[object, str], ...]] = {
    "store: files, hashes": ((ClientStore, "get"), (ClientStore, "put")),
    "read": (
        (reading, "frame_from_fits"),
        (subtract, "frame_from_fits"),
        (search, "frame_from_fits"),
        (search, "difference_from_fits"),
    ),
    "common stars": ((subtraction, "measure_common_stars"),),
    "resample": ((subtraction, "resample"),),
    "masks": ((subtraction, "_union_mask"), (subtraction, "fill_masked")),
    "sky": ((subtraction, "sky_difference"),),
    "noise spectra": ((subtraction, "_noise_powers"),),
    "local PSFs": ((subtraction, "local_psfs"),),
    "ZOGY": ((subtraction, "match"),),
    "error terms": ((noise, "measure_terms"), (noise, "residual_power")),
    "score": ((noise, "score_of"),),
    "the rest of the subtraction": ((subtract, "subtract"),),
    "write": ((subtract, "difference_to_fits"),),
    "detect": ((search, "detect"),),
    "cutouts": ((search, "cut"),),
}
"""What is timed: functions of modules, by the names their callers use."""


class Stopwatch:
    """Seconds of each step, those of the steps inside it taken off."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._running: list[str] = []
        self._last = time.perf_counter()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count the time to a step until it ends."""
        self._pass()
        self._running.append(name)
        yield
        self._pass()
        self._running.pop()

    def timed(self, name: str, work: Callable[..., object]) -> Callable[..., object]:
        """Return a function that counts its time to a step."""

        @functools.wraps(work)
        def run(*given: object, **named: object) -> object:
            with self.step(name):
                return work(*given, **named)

        return run

    def _pass(self) -> None:
        now = time.perf_counter()
        if self._running:
            self.spent[self._running[-1]] += now - self._last
        self._last = now


def main() -> None:
    """Measure where the time goes with one thread and with two."""
    parser = parser_of("asset", __doc__)
    parser.add_argument("--side", type=int, default=SIDE, help="pixels")
    parser.add_argument("--runs", type=int, default=RUNS)
    figures = Figures(parser)
    options = figures.options
    shape = options.side, options.side
    program = shutil.which("hotpants")
    with tempfile.TemporaryDirectory(prefix="astrid-asset-") as folder:
        store = open_object_store(folder)
        frames = make_frames(shape)
        keys = tuple(
            store.put(name, frame_to_fits(frame, None), ".fits")
            for name, frame in zip("sr", frames, strict=True)
        )
        _, single, _ = measured(store, keys, 1, options.runs, shape)
        first, further, unit = measured(store, keys, WORKERS, options.runs, shape)
        alone_s = hotpants_seconds(program, frames, Path(folder), options.runs) if program else None
    table = f"{options.side}²: one frame from the store to its detections"
    for name in (*STEPS, OTHER, ALL):
        for which, spent in (("first", first), ("further", further)):
            figures.add(table, name, which, spent[name], "s")
            figures.add(table, name, which, spent[name] / unit, "units")
        figures.add(table, name, "first, 1 thread", single[name], "s")
    figures.add("beside it", "the unit", "wall time", 1000 * unit, "ms")
    if alone_s is None:
        figures.note("Not timed: hotpants is not on the path.")
    else:
        for quantity, value, unit_name in (
            ("wall time", 1000 * alone_s, "ms"),
            ("over a first frame", alone_s / first[ALL], ""),
            ("over a further frame", alone_s / further[ALL], ""),
        ):
            figures.add("beside it", "hotpants alone", quantity, value, unit_name)
    figures.finish()


def hotpants_seconds(program: str, frames: tuple[Frame, Frame], folder: Path, runs: int) -> float:
    """Return the median seconds of hotpants on the pair, registered beforehand."""
    found = subtraction.subtract(*frames, DifferencingSettings())
    run = hotpants(program, frames[0].data, found.registered_reference, found.sky_rms_e, folder)
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def make_frames(shape: tuple[int, int]) -> tuple[Frame, Frame]:
    """Return a science frame and a reference, measured as every frame is."""
    pair = simulate_pair(
        3,
        shape,
        stars_per_mpx=STARS_PER_MPX,
        psf_variation=0.05,
        shift_px=(7.3, -4.6),
        reference_exposures=1,
        n_transients=TRANSIENTS,
        snr_range=(8.0, 60.0),
        science_sky_e=SKY_E,
        reference_sky_e=SKY_E,
    )
    return _measured(pair.science), _measured(pair.reference)


def _measured(frame: Frame) -> Frame:
    raw = replace(
        frame,
        data=frame.data + np.float32(SKY_E),
        psf=None,
        variance=None,
        saturation_e=frame.saturation_e + SKY_E,
        sky_rms_e=None,
    )
    found = measure_frame(raw, None, ProcessingSettings()).frame
    return replace(found, wcs=frame.wcs, zero_point_mag=frame.zero_point_mag)


def measured(
    store: ObjectStore,
    keys: tuple[str, ...],
    threads: int,
    runs: int,
    shape: tuple[int, int],
) -> tuple[dict[str, float], dict[str, float], float]:
    """Return the median seconds of every step, and of the unit.

    For the first frame of a night, which reads the reference, and for a further one.
    """
    set_threads(threads)
    image = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    run_frame(store, *keys)  # compiles
    times: tuple[list[dict[str, float]], ...] = ([], [])
    units: list[float] = []
    for _ in range(runs):
        reading.reference_frame.cache_clear()
        for found in times:
            began = time.perf_counter()
            fft.rfft2(image, workers=WORKERS)
            units.append(time.perf_counter() - began)
            watch = Stopwatch()
            with watched(watch):
                run_frame(store, *keys)
            found.append(watch.spent | {ALL: sum(watch.spent.values())})
    first, further = (
        {
            name: float(np.median([spent.get(name, 0.0) for spent in found]))
            for name in (*STEPS, OTHER, ALL)
        }
        for found in times
    )
    return first, further, float(np.median(units))


@contextmanager
def watched(watch: Stopwatch) -> Iterator[None]:
    """Let every step of `STEPS` be timed meanwhile."""
    before = [
        (owner, name, getattr(owner, name)) for places in STEPS.values() for owner, name in places
    ]
    for step, places in STEPS.items():
        for owner, name in places:
            setattr(owner, name, watch.timed(step, getattr(owner, name)))
    try:
        with watch.step(OTHER):
            yield
    finally:
        for owner, name, work in before:
            setattr(owner, name, work)


def run_frame(store: ObjectStore, science_key: str, reference_key: str) -> None:
    """Subtract and detect as the assets do, without their catalogue."""
    outcome = subtract.subtract_frame(
        subtract.SubtractTask(
            store=store,
            survey="benchmark",
            night=NIGHT,
            observation_id="science",
            group=("field", "r"),
            frame_key=science_key,
            reference_id="reference",
            reference_key=reference_key,
            reason=None,
            settings=DifferencingSettings(),
            settings_hash="none",
        )
    )
    row = outcome.row
    assert row.status == "accepted", row.reasons
    found = search.detect_frame(
        search.DetectTask(
            store=store,
            survey="benchmark",
            night=NIGHT,
            observation_id="science",
            difference_id=row.id,
            difference_key=str(row.difference_key),
            frame_key=science_key,
            settings=DetectionSettings(),
            model_id=None,
            model_key=None,
        )
    )
    assert len(found.detections) > TRANSIENTS / 2, len(found.detections)


if __name__ == "__main__":
    main()
