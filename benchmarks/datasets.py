"""How much memory and time 100 000 labelled cutouts take, collected and trained on.

Fills a catalogue and a store, then collects, judges, reads at random and trains, each in a
process of its own whose largest memory is what the system reports. Exits with 1 when
collecting takes more than 2 GiB, training more than 3 GiB, or fewer than 20 000 random
stamps a second are read.

    .venv/bin/python -m benchmarks.datasets
    .venv/bin/python -m benchmarks.datasets --samples 20000 --no-training
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.compute import Compute
from astrid_assets.steps.learning.collect import collect_dataset
from astrid_assets.steps.learning.judging import judge_version
from astrid_assets.steps.learning.opening import open_dataset, require_dataset
from astrid_assets.steps.learning.settings import CollectionSettings
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import open_object_store
from astrid_assets.storage.queries import dataset_states, datasets
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.steps.learning.many_labels import ManyLabels
from benchmarks.figures import Figures, parser_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from astrid_assets.steps.learning.opening import DatasetArrays

    Measured = dict[str, float]

PER_NIGHT = 1000
BATCH = 32
BATCHES = 2000
GIB = 2**30
MOST_COLLECTING, MOST_TRAINING = 2.0, 3.0
"""GiB."""

LEAST_STAMPS_S = 20_000


def main() -> int:
    """Fill and measure; returns 1 when a limit is broken."""
    parser = parser_of("datasets", __doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--no-training", action="store_true")
    figures = Figures(parser)
    n_samples = figures.options.samples
    with tempfile.TemporaryDirectory(prefix="astrid-bench-") as name:
        folder = Path(name)
        stages: dict[str, Callable[[Path, int], Measured]] = {
            "fill": fill,
            "collect": collect,
            "judge": judge,
            "read at random": read,
        }
        if not figures.options.no_training:
            stages["train an epoch"] = train
        found = {stage: alone(work, folder, n_samples) for stage, work in stages.items()}
    for stage, measured in found.items():
        for quantity, value in measured.items():
            words, _, unit = quantity.partition(", ")
            figures.add(f"{n_samples} labelled cutouts", stage, words, value, unit)
    figures.finish()
    broken = (
        found["collect"]["largest memory, GiB"] > MOST_COLLECTING
        or found["read at random"]["stamps, 1/s"] < LEAST_STAMPS_S
        or found.get("train an epoch", {}).get("largest memory, GiB", 0) > MOST_TRAINING
    )
    return int(broken)


def alone(work: Callable[[Path, int], Measured], folder: Path, n_samples: int) -> Measured:
    """Do one stage in a fresh process; returns its figures, wall time and memory."""
    context = multiprocessing.get_context("spawn")
    answer = folder / "answer.json"
    process = context.Process(target=_measured, args=(work, folder, n_samples, answer))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{work.__name__} ended with {process.exitcode}")
    return json.loads(answer.read_text())


def _measured(
    work: Callable[[Path, int], Measured], folder: Path, n_samples: int, answer: Path
) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    found = work(folder, n_samples)
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer.write_text(
        json.dumps(
            {
                "wall time, s": time.perf_counter() - began,
                "CPU time, s": time.process_time() - cpu,
                "largest memory, GiB": kib * 1024 / GIB,
                **found,
            }
        )
    )


def tools_of(folder: Path) -> Tools:
    """Return the catalogue and store that `fill` made."""
    catalogue = Catalogue(f"sqlite:///{folder / 'catalogue.db'}")
    return Tools(catalogue, open_object_store(str(folder / "store")), Compute())


def settings_of(n_samples: int) -> CollectionSettings:
    """Return settings that take everything there is."""
    return CollectionSettings(max_samples=n_samples)


def fill(folder: Path, n_samples: int) -> Measured:
    """Add nights of labelled detections with cutouts."""
    store = open_object_store(str(folder / "store"))
    sky = ManyLabels(new_catalogue(folder), store, per_frame=PER_NIGHT // 4)
    sky.add_nights(0, n_samples // PER_NIGHT)
    return {}


def collect(folder: Path, n_samples: int) -> Measured:
    """Freeze a version."""
    version = collect_dataset(tools_of(folder), settings_of(n_samples), created_by="benchmark")
    return {"samples": version.row.total_samples, "shards": len(version.row.shards)}


def judge(folder: Path, n_samples: int) -> Measured:
    """Collect again, which writes nothing, and judge; fetches every shard."""
    tools, settings = tools_of(folder), settings_of(n_samples)
    version = collect_dataset(tools, settings, created_by="benchmark")
    judged, _ = judge_version(tools, version, settings, folder / "work", by="benchmark")
    return {"collected in": version.collected.seconds, "is active": judged.row.status == "active"}


def read(folder: Path, n_samples: int) -> Measured:
    """Read random rows, a batch at a time, as training does."""
    arrays = _opened(folder)
    rng = np.random.default_rng(1)
    rows = rng.integers(0, len(arrays.stamps), (BATCHES, BATCH))
    began = time.perf_counter()
    for batch in rows:
        arrays.stamps.images_of(batch)
        arrays.stamps.masks_of(batch)
    seconds = time.perf_counter() - began
    del n_samples
    return {"stamps, 1/s": rows.size / seconds}


def train(folder: Path, n_samples: int) -> Measured:
    """Train a small network for one epoch, on every row of train, and validate."""
    # In this stage only: torch is half a gigabyte that collecting must not need.
    from astrid_assets.learning.datamodule import TrainArrays  # noqa: PLC0415
    from astrid_assets.learning.settings import TrainingSettings  # noqa: PLC0415
    from astrid_assets.learning.training import train as train_network  # noqa: PLC0415

    arrays = _opened(folder)
    samples = TrainArrays(
        labels=arrays.is_real.astype(np.uint8),
        split=np.array(arrays.samples["split"].to_list()),
    )
    settings = TrainingSettings(epochs=1, base_filters=2, depth=2, batch_size=128)
    train_network(arrays.stamps, samples, settings, folder / "run")
    del n_samples
    return {}


def _opened(folder: Path) -> DatasetArrays:
    tools = tools_of(folder)
    with tools.catalogue.begin() as session:
        # What is measured is reading, whatever the gates say of noise.
        (row,) = datasets.all_datasets(session)
        dataset_states.mark_judged(session, row.id, None, "benchmark")
    return open_dataset(tools, require_dataset(tools), folder / "work" / "datasets")


if __name__ == "__main__":
    sys.exit(main())
