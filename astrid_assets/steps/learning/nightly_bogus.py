"""How many bogus candidates a night brings, for thresholds by false positives per night."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.storage.queries.models import detections_per_night

if TYPE_CHECKING:
    from astrid_assets.steps.learning.opening import DatasetArrays
    from astrid_assets.steps.nights import Tools


def bogus_per_night(tools: Tools, arrays: DatasetArrays) -> float | None:
    """Return how many detections a night of the dataset's surveys brings, the median.

    Nearly all of them are bogus. None where no night has any.
    """
    surveys = arrays.samples["survey"].unique().to_list()
    with tools.catalogue.read() as session:
        counts = detections_per_night(session, surveys)
    return float(np.median(counts)) if counts else None
