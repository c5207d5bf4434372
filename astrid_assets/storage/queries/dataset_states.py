"""States of a dataset version: who may train on it, and who said so, when and why.

The frozen row never changes; its state does. ``active`` is the version of its name that
passed the gates last, ``superseded`` one that was active before it, ``refused`` one that
the gates refuse, ``retired`` one that a user took away. Nobody trains on the last two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import TrainingDataset

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

ACTIVE, SUPERSEDED, REFUSED, RETIRED = "active", "superseded", "refused", "retired"
STATES = (ACTIVE, SUPERSEDED, REFUSED, RETIRED)
USABLE = (ACTIVE, SUPERSEDED)
"""States of versions that may be trained on."""

UNJUDGED = "it was not judged: its collection ended before the gates did; collect it again"


class UnusableVersion(ValueError):
    """A version that may not be used this way; the message says why, and what to do."""


def why_unusable(row: TrainingDataset) -> str | None:
    """Return why nobody may train on a version, in a sentence; None where they may."""
    if row.status in USABLE:
        return None
    by = f" by {row.status_by}" if row.status_by else ""
    when = f" on {row.status_at:%Y-%m-%d}" if row.status_at else ""
    remedy = (
        "collect other labels or change the limits, then collect again"
        if row.status == REFUSED
        else "choose another version (astrid dataset list)"
    )
    return (
        f"dataset {row.id} ({row.name}) was {row.status}{by}{when}: "
        f"{row.status_reason or 'no reason was given'}; {remedy}"
    )


def mark_judged(session: Session, dataset_id: str, refused_because: str | None, by: str) -> None:
    """Give a version the state that follows from the gates' verdict on it.

    One that passes becomes the active one of its name, and the one before it superseded;
    one that is refused leaves the one before it active. What a user retired stays so.

    Parameters
    ----------
    refused_because
        What the gates found, in words; None: it passed.
    """
    row = session.get_one(TrainingDataset, dataset_id)
    if row.status == RETIRED:
        return
    if refused_because is not None:
        _give(row, REFUSED, refused_because, by)
        _bring_back(session, row.name, by)
        return
    _give(row, ACTIVE, "it passed the gates", by)
    for other in _of_name(session, row.name, ACTIVE):
        if other.id != dataset_id:
            _give(other, SUPERSEDED, f"{dataset_id} is newer", by)


def retire_version(session: Session, dataset_id: str, reason: str, by: str) -> TrainingDataset:
    """Take a version away from training; the one before it becomes active again.

    Raises
    ------
    UnusableVersion
        If there is no such version, it is retired already, or no reason is given.
    """
    row = session.get(TrainingDataset, dataset_id)
    if row is None:
        raise UnusableVersion(
            f"there is no dataset {dataset_id}: astrid dataset list shows those there are"
        )
    if row.status == RETIRED:
        raise UnusableVersion(why_unusable(row) or "")
    if not reason.strip():
        raise UnusableVersion("say why the dataset is retired: others will ask")
    _give(row, RETIRED, reason.strip(), by)
    _bring_back(session, row.name, by)
    return row


def _bring_back(session: Session, name: str, by: str) -> None:
    """Let the newest superseded version of a name be active, where none is."""
    session.flush()
    if _of_name(session, name, ACTIVE):
        return
    before = _of_name(session, name, SUPERSEDED)
    if before:
        _give(before[0], ACTIVE, "what superseded it may not be used any more", by)


def _of_name(session: Session, name: str, status: str) -> list[TrainingDataset]:
    query = (
        select(TrainingDataset)
        .where(TrainingDataset.name == name, TrainingDataset.status == status)
        .order_by(TrainingDataset.status_at.desc(), TrainingDataset.id)
    )
    return list(session.scalars(query))


def _give(row: TrainingDataset, status: str, reason: str, by: str) -> None:
    """Set a state; one that is the same, for the same reason, keeps its time."""
    if (row.status, row.status_reason) == (status, reason):
        return
    row.status, row.status_reason, row.status_by, row.status_at = status, reason, by, now()
