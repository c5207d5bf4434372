"""What a lineage can be asked of, by any of its names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.storage.database.names import is_name
from astrid_assets.storage.database.tables.detections import Detection
from astrid_assets.storage.database.tables.frames import Observation
from astrid_assets.storage.queries import models
from astrid_assets.storage.queries.naming import find_named

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.tables.learning import Model


@dataclass(frozen=True)
class LineageItem:
    """A model, a detection or a frame: one of the three is set."""

    model: Model | None = None
    detection_id: str | None = None
    observation_id: str | None = None


def find_item(session: Session, name: str) -> LineageItem | None:
    """Return the model, detection or frame of a name; None if there is none.

    Parameters
    ----------
    name
        Name of a detection; id, beginning of the id, or version of a model, or ``champion``;
        id of a detection; id or path in the source of a frame.
    """
    if is_name(name):
        named = find_named(session, name)
        if named is not None and named.detection_id is not None:
            return LineageItem(detection_id=named.detection_id)
    # A whole id is meant before the beginning of a model's id.
    if session.get(Detection, name) is not None:
        return LineageItem(detection_id=name)
    frame = select(Observation.id).where(
        (Observation.id == name) | (Observation.source_path == name)
    )
    observation_id = session.scalar(frame.order_by(Observation.id).limit(1))
    if observation_id is not None:
        return LineageItem(observation_id=observation_id)
    model = models.model_named(session, name)
    return None if model is None else LineageItem(model=model)
