"""A model's ONNX file made again from its weights, where it was lost or damaged."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from astrid_assets.steps.learning.package import WEIGHTS
from astrid_assets.storage.objects import layout

if TYPE_CHECKING:
    from astrid_assets.storage.database.tables.learning import Model
    from astrid_assets.storage.objects.object_store import ObjectStore


def restore_onnx(store: ObjectStore, model: Model) -> bool:
    """Put a model's ONNX file into the store again; False where no weights make the same one.

    Parameters
    ----------
    store
        One that does not take a damaged object for the right one.

    Raises
    ------
    StoreError
        If the weights are lost or damaged too.
    UnusableModel
        If they cannot be read.
    """
    from astrid_assets.learning.export import to_onnx
    from astrid_assets.learning.weights import network_from_weights

    weights = ((model.package or {}).get("files") or {}).get(WEIGHTS)
    if weights is None:
        return False
    network, calibration, size = network_from_weights(store.get(weights["key"]))
    content = to_onnx(network, calibration, size)
    if hashlib.sha256(content).hexdigest() != model.onnx_sha256:
        # Another version of the exporter writes another file: its name would be a lie.
        return False
    return store.put(layout.model_key(model.name), content, ".onnx") == model.onnx_key
