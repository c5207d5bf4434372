"""References as a night's steps read them: once for many frames."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from astrid_assets.science.differencing.prepared import prepared
from astrid_assets.storage.fits.frames import frame_from_fits

if TYPE_CHECKING:
    from astrid_assets.science.differencing.prepared import Prepared
    from astrid_assets.storage.objects.object_store import ObjectStore


@lru_cache(maxsize=1)
def reference_frame(store: ObjectStore, key: str) -> Prepared:
    """Return a stored reference; the last one stays in the process for its next frame.

    A key holds the hash of its bytes, so what is kept cannot be out of date.

    Raises
    ------
    FrameRejected
        ``unprocessed``.
    """
    return prepared(frame_from_fits(store.get(key)))
