"""Golden cutouts of a model: scored by the trained network itself, and kept with the model.

Whoever opens the stored file later scores them again. One comparison so covers the export
to ONNX, the file in the store, and the runtime of this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.steps.learning.evaluate import scores_of_rows
from astrid_assets.steps.learning.opening import open_dataset
from astrid_assets.storage.database.tables.learning import TrainingDataset

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.learning.calibration import ScoreCalibration
    from astrid_assets.learning.gate.checks import Check
    from astrid_assets.learning.gate.settings import GateSettings
    from astrid_assets.learning.inference import OnnxScorer
    from astrid_assets.learning.unet import Ensemble
    from astrid_assets.steps.learning.opening import DatasetArrays
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import Model

GOLDEN = "golden"
"""Key of the record among a model's metrics."""

PER_CLASS = 16
"""Golden cutouts of either class, from the val split."""


def golden_record(
    arrays: DatasetArrays, network: Ensemble, calibration: ScoreCalibration
) -> dict[str, object]:
    """Score some cutouts of the val split by torch, for the catalogue's JSON column."""
    from astrid_assets.learning.export import torch_scores

    val = arrays.indices("val")
    labels = arrays.is_real[val]
    some = [_spread(val[labels]), _spread(val[~labels])]
    rows = np.sort(np.concatenate(some))
    scores = torch_scores(network, calibration, arrays.images(rows), arrays.measurements(rows))
    return {"dataset_id": arrays.row.id, "rows": rows.tolist(), "scores": scores.tolist()}


def golden_check(
    tools: Tools, model: Model, scorer: OnnxScorer, settings: GateSettings, work_folder: Path
) -> Check:
    """Score a model's golden cutouts again and compare."""
    from astrid_assets.learning.gate.soundness import golden

    record = model.metrics.get(GOLDEN)
    if not record:
        return golden(None, None, settings)
    with tools.catalogue.read() as session:
        row = session.get_one(TrainingDataset, record["dataset_id"])
    arrays = open_dataset(tools, row, work_folder / "datasets")
    found = scores_of_rows(scorer, arrays, np.array(record["rows"], dtype=np.int64))
    return golden(record["scores"], found, settings)


def _spread(rows: np.ndarray) -> np.ndarray:
    """Return at most `PER_CLASS` rows, evenly spaced."""
    at = np.linspace(0, len(rows) - 1, min(PER_CLASS, len(rows)))
    return rows[np.round(at).astype(np.int64)]
