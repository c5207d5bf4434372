"""Cutouts of transients that were injected and found: real for certain, in a night's own frames.

The gate of new models counts how many of them each model keeps; no dataset holds any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.detection.cutouts import cut
from astrid_assets.science.detection.measurements import stacked
from astrid_assets.storage.objects import layout
from astrid_assets.storage.objects.cutout_files import cutout_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.science.detection.candidate import Candidate
    from astrid_assets.science.differencing.difference import Difference
    from astrid_assets.science.frame import Frame
    from astrid_assets.science.injection.recovery import Recovery
    from astrid_assets.steps.injected_transients.task import InjectTask


@dataclass(frozen=True)
class KeptCutouts:
    """Object key of a frame's array of cutouts, and the index in it by a transient's number."""

    key: str | None
    index: dict[int, int]


def keep_cutouts(
    task: InjectTask,
    science: Frame,
    difference: Difference,
    found: Sequence[Candidate],
    recovery: Recovery,
) -> KeptCutouts:
    """Put the cutouts of found transients into the store, as those of detections are.

    Parameters
    ----------
    science : (ny, nx), electrons
        The injected frame.
    difference : (ny, nx)
        Its difference.
    found
        All candidates of that difference.
    """
    numbers = np.flatnonzero(recovery.found)[: task.cutouts].tolist()
    if not numbers:
        return KeptCutouts(None, {})
    chosen = [found[place] for place in recovery.candidate[numbers].tolist()]
    content = cutout_file(cut(science, difference, chosen), stacked(chosen))
    key = layout.injected_cutouts_key(task.profile.name, task.night, task.observation_id)
    return KeptCutouts(
        task.store.put(key, content, ".npy"),
        {number: index for index, number in enumerate(numbers)},
    )
