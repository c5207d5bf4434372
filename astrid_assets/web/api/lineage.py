"""Lineage: from a model back to what it was made of, from a frame or detection to all models."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from astrid_assets.storage.queries.lineage_items import find_item
from astrid_assets.storage.queries.model_lineage import model_lineage, models_that_saw
from astrid_assets.web.api.common import State, text_id
from astrid_assets.web.problems import not_found, responses
from astrid_assets.web.schemas import Id
from astrid_assets.web.schemas_lineage import LineageOut

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
            return LineageOut.model_validate(
                {
                    "kind": "detection" if item.detection_id else "frame",
                    "seen_by": [saw.as_dict() for saw in found],
                }
            )
        made = model_lineage(session, item.model)
    return LineageOut.model_validate({"kind": "model", **made.as_dict()})
