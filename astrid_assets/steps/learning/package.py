"""What a model is kept with: its weights as a record, and a card that says what it is.

ONNX serves; safetensors is the record that the ONNX file can be made from again. All of it
is in the store and with the model's run in MLflow, and the catalogue knows each file's hash.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from astrid_assets.steps import versions
from astrid_assets.steps.learning.code_version import code_version
from astrid_assets.storage.objects import layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astrid_assets.learning.training import TrainedModel
    from astrid_assets.steps.learning.opening import DatasetArrays
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import Model
    from astrid_assets.tracking.run import ActiveRun

WEIGHTS, CARD, READABLE_CARD = "weights.safetensors", "model_card.json", "model_card.md"


def keep_package(
    tools: Tools, active: ActiveRun, model: Model, trained: TrainedModel, arrays: DatasetArrays
) -> dict[str, object]:
    """Keep weights and card of a model, and return what the catalogue keeps of them.

    Parameters
    ----------
    model
        With its metrics and its version in MLflow.
    """
    from astrid_assets.learning.weights import weights_of

    size = arrays.stamps.size
    weights = weights_of(trained.network, trained.settings, trained.calibration, size)
    card = model_card(model, trained, arrays)
    hashes = {"model.onnx": model.onnx_sha256, WEIGHTS: hashlib.sha256(weights).hexdigest()}
    card["files"] = hashes
    files = {
        WEIGHTS: weights,
        CARD: json.dumps(card, indent=1, sort_keys=True).encode(),
        READABLE_CARD: card_in_markdown(card).encode(),
    }
    kept: dict[str, dict[str, str]] = {}
    for name, content in files.items():
        active.log_bytes(content, f"package/{name}")
        suffix = "." + name.rpartition(".")[2]
        kept[name] = {
            "key": tools.store.put(layout.package_key(model.name), content, suffix),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    return {"files": kept, "cutouts": versions.CUTOUTS, "code": card["code"]}


def model_card(model: Model, trained: TrainedModel, arrays: DatasetArrays) -> dict[str, object]:
    """Return what a model is, what it was made of, and how good it is."""
    row, settings = arrays.row, trained.settings
    rankings = dict(model.metrics.get("model") or {})
    return {
        "name": model.name,
        "version": model.version,
        "id": model.id,
        "made_at": model.created_at.isoformat(),
        "code": code_version(),
        "preprocessing": {
            "version": versions.CUTOUTS,
            "channels": list(settings.channels),
            "size_px": arrays.stamps.size,
            "normalisation": "inside the network: see the settings",
        },
        "dataset": {
            "id": row.id,
            "sha256": row.content_hash,
            "name": row.name,
            "samples": row.total_samples,
            "share_real": row.anomaly_ratio,
        },
        "training": settings.model_dump(mode="json"),
        "calibration": asdict(trained.calibration),
        "threshold": model.threshold,
        "metrics": {
            **rankings,
            **{k: v for k, v in model.metrics.items() if isinstance(v, int | float)},
        },
        "intended_use": "real or bogus: transients and artefacts in cutouts of difference images",
        "limits": "judged on detections of the dataset's surveys; others need labels of their own",
    }


def card_in_markdown(card: Mapping[str, object]) -> str:
    """Return a model card as a page: one heading for each part."""
    lines = [f"# {card['name']} version {card['version']}", ""]
    for name, value in card.items():
        if name in {"name", "version"}:
            continue
        title = name.replace("_", " ")
        if isinstance(value, dict):
            lines += [f"## {title}", "", "| | |", "|---|---|"]
            lines += [f"| {key} | {_in_words(entry)} |" for key, entry in value.items()]
            lines.append("")
        else:
            lines += [f"- {title}: {_in_words(value)}", ""]
    return "\n".join(lines)


def _in_words(value: object) -> str:
    if isinstance(value, dict) and {"value", "low", "high"} <= set(value):
        return f"{value['value']:.4f} ({value['low']:.4f} to {value['high']:.4f})"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value) if isinstance(value, str | int) else json.dumps(value)
