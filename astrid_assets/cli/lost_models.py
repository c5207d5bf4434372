"""Models whose ONNX file is lost or damaged: made again from their weights."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from astrid_assets.cli import workplace

if TYPE_CHECKING:
    from collections.abc import Collection

    from astrid_assets.storage.database.catalogue import Catalogue


def restore_models(catalogue: Catalogue, keys: Collection[str]) -> None:
    """Make ONNX files again from their weights; what cannot be is found damaged again."""
    from astrid_assets.learning.inference import UnusableModel
    from astrid_assets.steps.learning.restoring import restore_onnx
    from astrid_assets.storage.objects.store_errors import StoreError
    from astrid_assets.storage.queries import models

    with catalogue.read() as session:
        broken = [model for model in models.all_models(session) if model.onnx_key in keys]
    for model in broken:
        with contextlib.suppress(StoreError, UnusableModel):
            restore_onnx(workplace.open_store().verifying(), model)
