"""The key of an anchor, and reading an anchor from the store."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from astrid_assets.science.processing.anchor import anchor_from_frame
from astrid_assets.storage.fits.frames import frame_from_fits, stars_from_fits

if TYPE_CHECKING:
    from astrid_assets.science.processing.anchor import Anchor
    from astrid_assets.storage.objects.object_store import ObjectStore


@dataclass(frozen=True)
class AnchorKey:
    """Where an anchor is kept; `is_local`: its coordinates are only relative."""

    key: str
    is_local: bool


@lru_cache(maxsize=8)
def load_anchor(store: ObjectStore, anchor: AnchorKey) -> Anchor:
    """Read an anchor; it is a processed frame with its stars."""
    content = store.get(anchor.key)
    return anchor_from_frame(
        frame_from_fits(content), stars_from_fits(content), is_local=anchor.is_local
    )
