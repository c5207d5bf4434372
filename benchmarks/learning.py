"""Benchmark of the learning: how good a training is, how sure that is, and how fast.

Networks of several seeds are trained on the judging set (`judging_set`) and judged on its
test split, which no training and no choice of settings saw: area under the ROC curve,
false positives at 95 % completeness, calibration error, asteroids against cosmic rays and
noise peaks, and what is faint. Spread over the seeds is what luck alone does.

Speed is quoted per core and as a share of what the core can do: the floating-point
operations of the network's convolutions over the seconds they took, against those of a
large matrix product in the same run.

    .venv/bin/python -m benchmarks.learning --keep
    .venv/bin/python -m benchmarks.learning --seeds 1 --set members=1 --set average_decay=0.99
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from astrid_assets.learning.calibration import calibration_error
from astrid_assets.learning.datamodule import TrainArrays
from astrid_assets.learning.export import to_onnx
from astrid_assets.learning.inference import OnnxScorer
from astrid_assets.learning.ranking import rank, roc_auc
from astrid_assets.learning.settings import TrainingSettings
from astrid_assets.learning.stamps import write_stamps
from astrid_assets.learning.training import train
from benchmarks.figures import Figures, parser_of
from benchmarks.judging_set import FOLDER, JudgingSet, load

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    from astrid_assets.learning.training import TrainedModel
    from astrid_assets.learning.unet import Ensemble

BASE_SEED = 20250301
FAINT = (5.0, 7.0)
BLANK_SIGMA = 5.0
"""A cosmic ray or a noise peak is a bogus where the reference shows nothing brighter."""
MIDDLE = slice(28, 37)
"""Pixels of a cutout near its candidate."""
PRODUCT_SIDE = 1024
TIMED_S = 3.0


def judge(
    figures: Figures, row: str, scores: NDArray[np.float64], test: JudgingSet, cpu_s: float
) -> tuple[float, float]:
    """Add the figures of one training; returns ROC AUC and calibration error."""
    real = test.is_real
    groups = np.array(test.table["group"].to_list())
    ranking = rank(scores, real, groups).ranking
    snr = np.abs(test.table["score_sigma"].to_numpy())
    kind = np.array(test.table["classification"].fill_null("").to_list())
    faint = (snr >= FAINT[0]) & (snr < FAINT[1])
    reference = np.abs(test.images[:, 1, MIDDLE, MIDDLE]).max(axis=(1, 2))
    asteroids = (real & (kind == "asteroid")) | (~real & (reference < BLANK_SIGMA))
    error = calibration_error(scores, real)
    for name, value in (
        ("ROC AUC", ranking.roc_auc.value),
        ("low", ranking.roc_auc.low),
        ("high", ranking.roc_auc.high),
        ("FPR at 95 %", ranking.fpr_at_95_completeness.value),
        ("ECE", error),
        ("S/N 5-7", roc_auc(scores[faint], real[faint])),
        ("asteroids", roc_auc(scores[asteroids], real[asteroids])),
        ("CPU", cpu_s),
    ):
        figures.add("trainings", row, name, value, "s" if name == "CPU" else "")
    return ranking.roc_auc.value, error


def operations(network: Ensemble, side: int) -> float:
    """Count the floating-point operations of one cutout's convolutions."""
    total = 0.0

    def count(layer: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        if not isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            return
        per_output = layer.weight[0].numel() if isinstance(layer, torch.nn.Conv2d) else 0
        if isinstance(layer, torch.nn.ConvTranspose2d):
            # Without overlap each output pixel comes from one pixel of every input channel.
            per_output = layer.in_channels
        total += 2.0 * per_output * output[0].numel()

    hooks = [layer.register_forward_hook(count) for layer in network.modules()]
    with torch.inference_mode():
        network(torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    return total


def peak_per_s() -> float:
    """Return the float32 operations per second of one core in a matrix product."""
    torch.set_num_threads(1)
    a = torch.rand(PRODUCT_SIDE, PRODUCT_SIDE)
    product = torch.empty_like(a)
    best = 0.0
    end = time.perf_counter() + TIMED_S
    while time.perf_counter() < end:
        began = time.perf_counter()
        torch.mm(a, a, out=product)
        best = max(best, 2 * PRODUCT_SIDE**3 / (time.perf_counter() - began))
    return best


def speed(figures: Figures, trained: TrainedModel, images: NDArray[np.float32]) -> None:
    """Add cutouts per second of inference, and their share of the core's peak."""
    content = to_onnx(trained.network, trained.calibration)
    scorer = OnnxScorer(content)
    batch = images[:512]
    scorer.score(batch)
    taken = []
    end = time.perf_counter() + TIMED_S
    while time.perf_counter() < end:
        began = time.perf_counter()
        scorer.score(batch)
        taken.append(time.perf_counter() - began)
    rate = len(batch) / min(taken)
    side = images.shape[-1]
    share = rate * operations(trained.network, side) / peak_per_s()
    figures.add("speed of one core", "inference", "cutouts", rate, "1/s")
    figures.add("speed of one core", "inference", "of the peak", share)


def main() -> None:
    """Train, judge, print, keep."""
    parser = parser_of("learning", __doc__)
    parser.add_argument("--seeds", type=int, default=5, help="trainings")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the judging set")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="of the training"
    )
    figures = Figures(parser)
    options: argparse.Namespace = figures.options
    everything = load(options.folder)
    test = everything.part("test")
    given = {}
    for text in options.set:
        name, _, value = text.partition("=")
        given[name] = json.loads(value) if value[:1] in "[0123456789" else value
    aucs, errors = [], []
    with tempfile.TemporaryDirectory(prefix="astrid-learning-") as folder:
        home = Path(folder)
        stamps = write_stamps(home / "stamps", everything.images, everything.masks)
        samples = TrainArrays(
            everything.is_real.astype(np.uint8),
            everything.side,
            measurements=everything.measurements,
        )
        for number in range(options.seeds):
            settings = TrainingSettings(seed=BASE_SEED + 1000 * number, **given)
            began = time.process_time()
            trained = train(stamps, samples, settings, home / f"run-{number}")
            cpu_s = time.process_time() - began
            scorer = OnnxScorer(to_onnx(trained.network, trained.calibration))
            scores = scorer.score(test.images, test.measurements).astype(np.float64)
            auc, error = judge(figures, f"seed {number + 1}", scores, test, cpu_s)
            aucs.append(auc)
            errors.append(error)
            print(
                f"seed {number + 1}: ROC AUC {auc:.4f}, ECE {error:.4f}, {cpu_s:.0f} CPU-s",
                flush=True,
            )
        if len(aucs) > 1:
            for name, value in (
                ("mean ROC AUC", np.mean(aucs)),
                ("worst", min(aucs)),
                ("standard deviation", np.std(aucs, ddof=1)),
                ("worst ECE", max(errors)),
            ):
                figures.add("over the seeds", "all", name, float(value))
    real = test.is_real
    figures.add("test split", "cutouts", "real", int(real.sum()))
    figures.add("test split", "cutouts", "bogus", int((~real).sum()))
    figures.finish()


if __name__ == "__main__":
    main()
