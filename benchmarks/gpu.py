"""A check of at most four minutes that training works on a GPU, and how fast.

Trains a network of the paper's size (64 filters, depth 4, cutouts of 256 px, bf16) on
simulated cutouts and reports cutouts per second and memory; then begins a small training
on the CPU and goes on with it from its checkpoint on the GPU.

    make gpu
    .venv/bin/python -m benchmarks.gpu --keep
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from astrid_assets.learning.settings import TrainingSettings
from astrid_assets.learning.training import train
from astrid_assets_tests.learning.synthetic import synthetic_cutouts
from benchmarks.figures import Figures, parser_of

LARGE = TrainingSettings(
    size=256,
    base_filters=64,
    depth=4,
    precision="bf16",
    epochs=3,
    patience=3,
    batch_size=32,
    cutouts_per_epoch=640,
)
SMALL = TrainingSettings(
    size=32, base_filters=4, depth=2, epochs=4, batch_size=16, cutouts_per_epoch=200
)
SAME_LOSS = 0.05
"""Share by which the loss of the last epoch may differ between the two processors."""


class BegunOnCpu(Exception):
    """The first epoch is on disk; the rest is for the GPU."""


def large(figures: Figures, accelerator: str, settings: TrainingSettings, home: Path) -> None:
    """Train the large network and add its figures; the first epoch warms up."""
    cutouts = synthetic_cutouts(np.random.default_rng(1), 160, settings.size)
    ends: list[float] = []
    trained = train(
        cutouts.save(home / "large"),
        cutouts.arrays(),
        settings.model_copy(update={"accelerator": accelerator}),
        home / "large run",
        on_epoch=lambda _: ends.append(time.perf_counter()),
    )
    draws = settings.cutouts_per_epoch * (len(ends) - 1)
    weights = sum(value.numel() for value in trained.network.parameters())
    row = f"{settings.base_filters} filters, depth {settings.depth}, {settings.size} px"
    figures.add("training", row, "cutouts", draws / (ends[-1] - ends[0]), "1/s")
    figures.add("training", row, "weights", weights)
    if torch.cuda.is_available():
        figures.add("training", row, "memory", torch.cuda.max_memory_allocated() / 2**30, "GiB")


def resumed(figures: Figures, accelerator: str, home: Path) -> bool:
    """Begin on the CPU, go on elsewhere; returns whether both come to the same."""
    cutouts = synthetic_cutouts(np.random.default_rng(2), 160, SMALL.size)
    stamps, arrays = cutouts.save(home / "small"), cutouts.arrays()
    on_cpu = SMALL.model_copy(update={"accelerator": "cpu"})
    whole = train(stamps, arrays, on_cpu, home / "whole")

    def stop(_: dict[str, float]) -> None:
        raise BegunOnCpu

    with contextlib.suppress(BegunOnCpu):
        train(stamps, arrays, on_cpu, home / "begun", on_epoch=stop)
    there = SMALL.model_copy(update={"accelerator": accelerator})
    found = train(stamps, arrays, there, home / "begun")
    losses = [float(model.history[-1]["val_loss"]) for model in (whole, found)]
    figures.add("resumed after one epoch", "val loss", "on the CPU alone", losses[0])
    figures.add("resumed after one epoch", "val loss", "CPU, then GPU", losses[1])
    return found.resumed_after == 1 and abs(losses[1] / losses[0] - 1) < SAME_LOSS


def main() -> int:
    """Return 0 if a training of the CPU goes on to the same on the GPU."""
    parser = parser_of("gpu", __doc__)
    figures = Figures(parser)
    if not torch.cuda.is_available():
        print(
            "no GPU that this PyTorch can use: install a build of torch 2.13.0 for CUDA "
            "(https://pytorch.org/get-started) on a machine that has one"
        )
        return 1
    figures.note(f"on {torch.cuda.get_device_name()}")
    with tempfile.TemporaryDirectory(prefix="astrid-gpu-") as folder:
        large(figures, "cuda", LARGE, Path(folder))
        same = resumed(figures, "cuda", Path(folder))
    figures.finish()
    print("the training of the CPU goes on to the same loss" if same else "the losses DIFFER")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
