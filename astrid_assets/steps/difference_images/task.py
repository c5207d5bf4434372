"""The task of one subtraction, as it travels to a worker process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astrid_assets.science.differencing.settings import DifferencingSettings
    from astrid_assets.storage.database.tables.base import Json
    from astrid_assets.storage.objects.object_store import ObjectStore


@dataclass(frozen=True)
class SubtractTask:
    """One pair to subtract; travels to a worker process."""

    store: ObjectStore
    survey: str
    night: str
    observation_id: str
    group: tuple[str, str]
    """Field and band."""

    frame_key: str
    reference_id: str | None
    reference_key: str | None
    reason: Json | None
    settings: DifferencingSettings
    settings_hash: str
    with_picture: bool = False
