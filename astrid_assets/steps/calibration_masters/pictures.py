"""Pictures of masters to look at: what a bias, a dark or a flat looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.pictures.thumbnails import frame_picture
from astrid_assets.steps.nights import keep_picture
from astrid_assets.storage.fits.frames import image_from_fits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.masters import CalibrationMaster

PER_KIND = 1
"""The event log holds the pictures of every night: a few suffice."""

SIDE_PX = 200
FAINTEST_PERCENT = 1.0


def pictures_of(
    tools: Tools, survey: str, night: str, rows: Sequence[CalibrationMaster]
) -> dict[str, str]:
    """Keep a picture of the first master of each kind; returns keys by caption."""
    shown: dict[str, str] = {}
    for kind in dict.fromkeys(row.kind for row in rows):
        for row in [row for row in rows if row.kind == kind][:PER_KIND]:
            image = image_from_fits(tools.store.get(row.frame_key))
            missing = ~np.isfinite(image)
            # Corners and dead columns are to be seen as well: black is the faintest.
            some = image[::4, ::4]
            level = np.percentile(some[np.isfinite(some)], FAINTEST_PERCENT)
            png = frame_picture(
                np.where(missing, 0, image - np.float32(level)),
                missing.astype(np.uint8),
                side=SIDE_PX,
            )
            caption = f"master {row.kind} {row.band}".strip() + f" of {row.night}"
            shown[caption] = keep_picture(tools.store, survey, night, f"{row.id}-master", png)
    return shown
