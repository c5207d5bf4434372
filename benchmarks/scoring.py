"""How fast and in how much memory a network scores 100 000 cutouts on one core.

The cutouts are in a file that is mapped into memory, 48 kB each. They are scored by ONNX
Runtime, as nights are, and by eager torch in batches of the same size; both are quoted as a
share of what the core can do (`learning`). Speed is per second of CPU time on one thread, so
that other work on the machine does not count. Memory is what the process itself holds beyond what
it held before: mapped pages of the file are the system's, which takes them back.

    .venv/bin/python -m benchmarks.scoring --keep
    .venv/bin/python -m benchmarks.scoring --cutouts 5000
"""

from __future__ import annotations

import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from astrid_assets.learning.calibration import ScoreCalibration
from astrid_assets.learning.export import to_onnx
from astrid_assets.learning.inference import BATCH, OnnxScorer
from astrid_assets.learning.settings import NetworkSettings
from astrid_assets.learning.unet import Ensemble, UNet
from astrid_assets.science.arrays.types import CUTOUT_SIZE
from benchmarks.figures import Figures, parser_of
from benchmarks.learning import operations, peak_per_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Cutouts

WRITTEN_AT_ONCE = 1024
EAGER_CUTOUTS = 20 * BATCH
"""Scored by eager torch: it is slower, and its speed does not depend on their number."""

SAMPLED_EVERY_S = 0.005
MIB = 2**20
SEED = 3


@dataclass
class MemoryGrowth:
    """What the process held at most beyond what it held at the start, bytes."""

    most: int = 0


@dataclass(frozen=True)
class Scored:
    """Cutouts scored by ONNX Runtime: how fast, and with how much memory."""

    per_s: float
    growth: int
    scores: NDArray[np.float32]


def main() -> None:
    """Score, print, keep."""
    parser = parser_of("scoring", __doc__)
    parser.add_argument("--cutouts", type=int, default=100_000)
    figures = Figures(parser)
    count: int = figures.options.cutouts
    network = Ensemble([UNet(NetworkSettings())], NetworkSettings()).eval()
    torch.set_num_threads(1)
    peak = peak_per_s()
    with tempfile.TemporaryDirectory(prefix="astrid-scoring-") as folder:
        cutouts = mapped_cutouts(Path(folder) / "cutouts.npy", count)
        tenth = scored(network, cutouts[: count // 10])
        all_ = scored(network, cutouts)
        eager = eager_per_s(network, cutouts[: min(count, EAGER_CUTOUTS)])
    per_cutout = operations(network, CUTOUT_SIZE)
    for row, rate in (("ONNX Runtime", all_.per_s), ("eager torch", eager)):
        figures.add("speed of one core", row, "cutouts", rate, "1/s")
        figures.add("speed of one core", row, "of the peak", rate * per_cutout / peak)
    figures.add("speed of one core", "matrix product", "peak", peak / 1e9, "Gflop/s")
    table = "memory of ONNX Runtime"
    for number, one in ((count // 10, tenth), (count, all_)):
        figures.add(
            table, f"{number} cutouts", "their size", number * cutouts[0].nbytes / MIB, "MiB"
        )
        figures.add(table, f"{number} cutouts", "largest growth", one.growth / MIB, "MiB")
    figures.note("The weights are those of an untrained network: they change no speed.")
    figures.finish()


def mapped_cutouts(path: Path, count: int) -> Cutouts:
    """Write cutouts of noise in the units of the sky, and map them, (count, 3, 64, 64)."""
    shape = (count, 3, CUTOUT_SIZE, CUTOUT_SIZE)
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    some = np.random.default_rng(SEED).standard_normal((WRITTEN_AT_ONCE, *shape[1:]), np.float32)
    for start in range(0, count, WRITTEN_AT_ONCE):
        part = file[start : start + WRITTEN_AT_ONCE]
        part[:] = some[: len(part)]
    file.flush()
    del file
    return np.load(path, mmap_mode="r")


def scored(network: Ensemble, cutouts: Cutouts) -> Scored:
    """Score cutouts as nights are scored; the scorer warms up before."""
    identity = ScoreCalibration(temperature=1.0, offset=0.0, prevalence=0.5)
    scorer = OnnxScorer(to_onnx(network, identity))
    scorer.score(cutouts[:BATCH])
    with watched_memory() as growth:
        began = time.process_time()
        scores = scorer.score(cutouts)
        seconds = time.process_time() - began
    return Scored(len(cutouts) / seconds, growth.most, scores)


def eager_per_s(network: Ensemble, cutouts: Cutouts) -> float:
    """Return cutouts per second by torch, layer after layer."""
    batches = [
        torch.from_numpy(np.array(cutouts[start : start + BATCH]))
        for start in range(0, len(cutouts), BATCH)
    ]
    with torch.inference_mode():
        network(batches[0])
        began = time.process_time()
        for batch in batches:
            network(batch)
    return len(cutouts) / (time.process_time() - began)


@contextmanager
def watched_memory() -> Iterator[MemoryGrowth]:
    """Watch the memory of this process that no file stands behind."""
    growth, before, over = MemoryGrowth(), own_memory(), threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLED_EVERY_S):
            growth.most = max(growth.most, own_memory() - before)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield growth
    finally:
        over.set()
        thread.join()
        growth.most = max(growth.most, own_memory() - before)


def own_memory() -> int:
    """Return the resident bytes of this process that are not pages of a file."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError("this system does not report RssAnon: run the benchmark on Linux")


if __name__ == "__main__":
    main()
