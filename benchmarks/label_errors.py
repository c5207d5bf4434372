"""Benchmark of wrong labels: what 5 % of them cost a training, and how many are found.

A part of the judging set's train split is taken as it is, and with some labels flipped.
Both train the same network, judged on the same test split. Then the flipped set is cut into
folds by object; every row is scored by a network that did not see its object, and the labels
that these scores contradict are named (`suspect_labels`).

    .venv/bin/python -m benchmarks.label_errors --keep
    .venv/bin/python -m benchmarks.label_errors --least-snr 10
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.learning.datamodule import TrainArrays
from astrid_assets.learning.export import to_onnx
from astrid_assets.learning.folds import folds_by_group
from astrid_assets.learning.inference import OnnxScorer
from astrid_assets.learning.ranking import roc_auc
from astrid_assets.learning.settings import TrainingSettings
from astrid_assets.learning.stamps import Stamps, write_stamps
from astrid_assets.learning.training import train
from astrid_assets.science.labelling.label_errors import suspect_labels
from astrid_assets.science.labelling.masks import training_mask
from benchmarks.figures import Figures, parser_of
from benchmarks.judging_set import FOLDER, load

if TYPE_CHECKING:
    from astrid_assets.science.detection.measurements import Measurements

SEED = 20261130
FOLDS = 5


def main() -> None:
    """Train, flip, look for what was flipped; print, keep."""
    parser = parser_of("label_errors", __doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the judging set")
    parser.add_argument("--stamps", type=int, default=2000)
    parser.add_argument("--flipped", type=float, default=0.05, help="share of wrong labels")
    parser.add_argument("--least-snr", type=float, default=0.0, help="of the stamps")
    figures = Figures(parser)
    options = figures.options
    everything = load(options.folder)
    rng = np.random.default_rng(SEED)
    is_bright = np.abs(everything.table["score_sigma"].to_numpy()) >= options.least_snr
    usable = np.flatnonzero((everything.side == "train") & is_bright)
    chosen = np.sort(rng.choice(usable, min(options.stamps, len(usable)), replace=False))
    clean = everything.is_real[chosen]
    flipped = np.zeros(len(chosen), dtype=bool)
    flipped[rng.choice(len(chosen), round(options.flipped * len(chosen)), replace=False)] = True
    given = clean ^ flipped
    fwhm_px = everything.table["fwhm_px"].to_numpy()
    groups = np.array(everything.table["group"].to_list())[chosen]
    test = np.flatnonzero((everything.side == "test") & is_bright)
    began = time.process_time()
    with tempfile.TemporaryDirectory(prefix="astrid-flips-") as folder:
        home = Path(folder)
        val = np.flatnonzero((everything.side == "val") & is_bright)
        rows = np.concatenate([chosen, val])
        split = np.array(["train"] * len(chosen) + ["val"] * len(val))
        for name, labels in (("as they are", clean), ("some flipped", given)):
            both = np.concatenate([labels, everything.is_real[val]])
            masks = _masks(both, fwhm_px[rows])
            stamps = write_stamps(home / f"stamps {name}", everything.images[rows], masks)
            scorer = _trained(stamps, both, split, everything.measurements[rows], home / name)
            scores = scorer.score(everything.images[test], everything.measurements[test])
            scores = scores.astype(np.float64)
            figures.add("labels", name, "ROC AUC", roc_auc(scores, everything.is_real[test]))
        own = write_stamps(home / "own", everything.images[chosen], _masks(given, fwhm_px[chosen]))
        probability = np.full(len(chosen), np.nan)
        everyone = np.ones(len(chosen), dtype=bool)
        folds = folds_by_group(groups, given, everyone, FOLDS, SEED)
        for number, fold in enumerate(folds, start=1):
            part = np.full(len(chosen), "test", dtype="<U5")
            part[fold.train], part[fold.val] = "train", "val"
            measured = everything.measurements[chosen]
            scorer = _trained(own, given, part, measured, home / f"fold {number}")
            probability[fold.judged] = scorer.score(
                own.images_of(fold.judged), measured[fold.judged]
            )
            print(f"{fold.name}: {len(fold.judged)} scored", flush=True)
    named = np.zeros(len(chosen), dtype=bool)
    named[suspect_labels(probability, given).rows] = True
    found = int((named & flipped).sum())
    row = f"{len(chosen)} stamps"
    for name, value in (
        ("flipped", int(flipped.sum())),
        ("named", int(named.sum())),
        ("precision", found / max(int(named.sum()), 1)),
        ("recall", found / max(int(flipped.sum()), 1)),
        ("ROC AUC of the folds", roc_auc(probability, clean)),
        ("CPU", time.process_time() - began),
    ):
        figures.add("flipped labels", row, name, value, "s" if name == "CPU" else "")
    figures.finish()


def _masks(labels: np.ndarray, fwhm_px: np.ndarray) -> np.ndarray:
    """Return masks as the labels say, wrong or not: they must not give the truth away."""
    return np.stack(
        [
            training_mask("real" if is_real else "bogus", width)
            for is_real, width in zip(labels.tolist(), fwhm_px.tolist(), strict=True)
        ]
    )


def _trained(
    stamps: Stamps, labels: np.ndarray, split: np.ndarray, measured: Measurements, folder: Path
) -> OnnxScorer:
    samples = TrainArrays(labels.astype(np.uint8), split, measurements=measured)
    trained = train(stamps, samples, TrainingSettings(seed=SEED), folder)
    return OnnxScorer(to_onnx(trained.network, trained.calibration))


if __name__ == "__main__":
    main()
