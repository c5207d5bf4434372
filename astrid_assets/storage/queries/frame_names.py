"""The frame of a name that a person gave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.storage.database.tables.frames import Observation

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class AmbiguousFrame(LookupError):
    """Several frames have this path; the message gives their ids."""


def frame_named(session: Session, name: str) -> str | None:
    """Return the id of the frame with this id, or this path in its source; None if there is none.

    Raises
    ------
    AmbiguousFrame
        If several frames have this path, as in two surveys, or in two images of one file.
    """
    if session.get(Observation, name) is not None:
        return name
    of_path = select(Observation).where(Observation.source_path == name)
    found = list(session.scalars(of_path.order_by(Observation.survey, Observation.hdu).limit(6)))
    if len(found) > 1:
        ids = ", ".join(f"{row.id} ({row.survey}, image {row.hdu})" for row in found[:5])
        raise AmbiguousFrame(f"several frames have the path {name}: give the id of one, of {ids}")
    return found[0].id if found else None
