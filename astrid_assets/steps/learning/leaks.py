"""What stands on two sides of a frozen version: its own table and arrays are read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.labelling.leaks import FrozenRows, Leaks, find_leaks
from astrid_assets.science.labelling.split_names import SPARE
from astrid_assets.steps.learning.settings import CollectionSettings
from astrid_assets.steps.learning.sides import SAME_PIXEL_PX, SAME_POSITION_ARCSEC

if TYPE_CHECKING:
    from astrid_assets.steps.learning.opening import DatasetArrays


def leaks_of(arrays: DatasetArrays) -> Leaks:
    """Return which rows of a frozen version share something with another side.

    The limit of near-duplicates is that of its own collection. A spare row is on no side.
    """
    chosen = np.flatnonzero((arrays.samples["split"] != SPARE).to_numpy())
    table = arrays.samples[chosen]
    texts = {
        name: table[name].fill_null("").to_numpy().astype(str)
        for name in ("detection_id", "split", "object_id", "sky", "frame")
    }
    numbers = {
        name: table[name].to_numpy().astype(np.float64) for name in ("ra_deg", "dec_deg", "x", "y")
    }
    rows = FrozenRows(
        detection_id=texts["detection_id"],
        side=texts["split"],
        object_id=texts["object_id"],
        sky=texts["sky"],
        frame=texts["frame"],
        **numbers,
    )
    limit = arrays.row.collection_params.get(
        "duplicate_correlation", CollectionSettings().duplicate_correlation
    )
    return find_leaks(
        rows,
        lambda some: arrays.images(chosen[some]),
        radius_arcsec=SAME_POSITION_ARCSEC,
        radius_px=SAME_PIXEL_PX,
        limit=float(limit),
    )
