"""Lineage: from a model back to what it was made of, from a frame or detection to all models."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from astrid_assets.storage.queries.lineage_items import find_item
from astrid_assets.storage.queries.model_lineage import model_lineage, models_that_saw
from astrid_assets.web.api.common import State, text_id
from astrid_assets.web.problems import not_found, responses
from astrid_assets.web.schemas import Id
from astrid_assets.web.schemas_lineage import LearnedNightOut, LineageOut, SawItOut

router = APIRouter(prefix="/lineage", tags=["ml"])

ItemId = Annotated[Id, Path(description="Id of a model, a detection or a frame.")]


@router.get("/{item_id}", responses=responses(404, 422))
def lineage_of(state: State, item_id: ItemId) -> LineageOut:
    """Return what a model was made of, or which models saw a detection or a frame."""
    with state.catalogue.read() as session:
        item = find_item(session, text_id(item_id))
        if item is None:
            raise not_found("model, detection or frame", text_id(item_id))
        if item.model is None:
            found = models_that_saw(
                session, observation_id=item.observation_id, detection_id=item.detection_id
            )
            return LineageOut(
                kind="detection" if item.detection_id else "frame",
                seen_by=[
                    SawItOut(
                        model_id=saw.model.id,
                        version=saw.model.version,
                        splits=saw.splits,
                        scored=saw.scored,
                        was_in_force=saw.was_in_force,
                    )
                    for saw in found
                ],
            )
        made = model_lineage(session, item.model)
    return LineageOut(
        kind="model",
        version=made.model.version,
        onnx_sha256=made.model.onnx_sha256,
        code=made.code,
        training_run_id=made.run.id if made.run else None,
        mlflow_run_id=made.run.mlflow_run_id if made.run else None,
        dataset_id=made.dataset.id if made.dataset else None,
        dataset_sha256=made.dataset.content_hash if made.dataset else None,
        splits=made.splits,
        label_sources=made.label_sources,
        label_events=made.events,
        nights=[LearnedNightOut(**vars(night)) for night in made.nights],
        settings_of_differences=made.settings_hashes,
        scored=made.scored,
        deployments=[row.sequence for row in made.decisions],
    )
