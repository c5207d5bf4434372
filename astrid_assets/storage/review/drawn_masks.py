"""Training masks that reviewers draw: each is kept, and the newest counts."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import literal, select

from astrid_assets.science.arrays.types import CUTOUT_SIZE
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection
from astrid_assets.storage.database.tables.review import DrawnMask, FormerDetection
from astrid_assets.storage.database.upsert import insert_new
from astrid_assets.storage.queries.observations import in_chunks
from astrid_assets.storage.review.events import MAX_KEY, NoSuchDetection, StatementRefused

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection

    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    Mask = NDArray[np.uint8]


def draw_mask(
    session: Session,
    event_key: str,
    detection_id: str,
    reviewer: str,
    mask: Mask | None,
    when: dt.datetime,
) -> bool:
    """Keep the training mask a reviewer drew; returns False for a repeated save.

    Parameters
    ----------
    mask : (64, 64), not 0 where the thing is
        None goes back to the PSF's footprint.

    Raises
    ------
    NoSuchDetection
        If there is no detection of this id.
    StatementRefused
        If the mask has another shape or the key cannot be used.
    """
    if not 0 < len(event_key) <= MAX_KEY:
        raise StatementRefused(f"an event key has 1 to {MAX_KEY} characters")
    if session.get(Detection, detection_id) is None:
        raise NoSuchDetection(f"there is no detection {detection_id!r:.60}")
    if mask is not None and mask.shape != (CUTOUT_SIZE, CUTOUT_SIZE):
        raise StatementRefused(f"a mask has {CUTOUT_SIZE} rows and columns, not {mask.shape}")
    bits = None if mask is None else _bits_of(mask)
    row = DrawnMask(
        event_key=f"{reviewer}/{event_key}",
        detection_id=detection_id,
        reviewer=reviewer,
        bits=bits,
        created_at=when,
    )
    return bool(insert_new(session, [row], "event_key"))


def drawn_masks(session: Session, detection_ids: Collection[str]) -> dict[str, Mask]:
    """Return the newest mask of each detection that has a drawn one: (64, 64) of 0, 1.

    Whoever drew last is right: a later reviewer saw the earlier mask. One that was drawn
    on a former detection of the source is moved by the pixels between the two cutouts.
    """
    found: dict[str, tuple[str | None, tuple[int, int]]] = {}
    table = DrawnMask
    for chunk in in_chunks(detection_ids):
        own = select(table.detection_id, table.sequence, table.bits, literal(None)).where(
            table.detection_id.in_(chunk)
        )
        carried = (
            select(FormerDetection.current_id, table.sequence, table.bits, table.detection_id)
            .join(FormerDetection, FormerDetection.detection_id == table.detection_id)
            .where(FormerDetection.current_id.in_(chunk))
        )
        rows = [*session.execute(own), *session.execute(carried)]
        centres = _centres(session, {id_ for row in rows if row[3] for id_ in (row[0], row[3])})
        for id_, _, bits, former in sorted(rows, key=lambda row: row[1]):
            shift = (0, 0)
            if former is not None:
                (y, x), (now_y, now_x) = centres[former], centres[id_]
                shift = (y - now_y, x - now_x)
            found[id_] = (bits, shift)
    return {
        id_: _moved(mask_of(bits), shift)
        for id_, (bits, shift) in found.items()
        if bits is not None
    }


def _centres(session: Session, detection_ids: Collection[str]) -> dict[str, tuple[int, int]]:
    """Return the pixel (y, x) that is in the middle of each detection's cutout."""
    return {
        row[0]: (round(row[1]), round(row[2]))
        for chunk in in_chunks(detection_ids)
        for row in session.execute(
            select(Detection.id, CandidateRow.y, CandidateRow.x)
            .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
            .where(Detection.id.in_(chunk))
        )
    }


def _moved(mask: Mask, shift: tuple[int, int]) -> Mask:
    """Return a mask moved by whole pixels (y, x); 0 where nothing was drawn."""
    moved = np.zeros_like(mask)
    into = tuple(slice(max(s, 0), CUTOUT_SIZE + min(s, 0)) for s in shift)
    out_of = tuple(slice(max(-s, 0), CUTOUT_SIZE + min(-s, 0)) for s in shift)
    moved[into] = mask[out_of]
    return moved


def _bits_of(mask: Mask) -> str:
    return base64.b64encode(np.packbits(mask != 0).tobytes()).decode()


def mask_of(bits: str) -> Mask:
    """Return the mask behind its base64 text.

    Raises
    ------
    StatementRefused
        If it is no base64 of 4096 bits.
    """
    try:
        packed = np.frombuffer(base64.b64decode(bits, validate=True), dtype=np.uint8)
    except (binascii.Error, ValueError) as error:
        raise StatementRefused("a mask is the base64 of one bit per pixel") from error
    if packed.size * 8 != CUTOUT_SIZE**2:
        raise StatementRefused(f"a mask has {CUTOUT_SIZE**2} bits, this one {packed.size * 8}")
    return np.unpackbits(packed).reshape(CUTOUT_SIZE, CUTOUT_SIZE)
