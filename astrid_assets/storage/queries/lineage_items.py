"""What a lineage can be asked of, by any of its names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.storage.database.names import is_name
from astrid_assets.storage.database.tables.detections import Detection
from astrid_assets.storage.queries import models
from astrid_assets.storage.queries.frame_names import frame_named
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

    Raises
    ------
    AmbiguousFrame
        If several frames have this path.
    """
    if is_name(name):
        named = find_named(session, name)
        if named is not None and named.detection_id is not None:
            return LineageItem(detection_id=named.detection_id)
    # A whole id is meant before the beginning of a model's id.
    if session.get(Detection, name) is not None:
        return LineageItem(detection_id=name)
    observation_id = frame_named(session, name)
    if observation_id is not None:
        return LineageItem(observation_id=observation_id)
    model = models.model_named(session, name)
    return None if model is None else LineageItem(model=model)
