"""One frame to inject into, as it travels to a worker process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.surveys.profile import SurveyProfile


@dataclass(frozen=True)
class InjectTask:
    """One frame to inject into; travels to a worker process."""

    store: ObjectStore
    profile: SurveyProfile
    night: str
    observation_id: str
    difference_id: str
    difference_key: str
    frame_key: str
    reference_key: str
    partner: Partner | None
    """A frame of the same night, field, band and reference; None where there is none."""
    cutouts: int = 0
    """Number of found transients whose cutouts are kept, at most."""


@dataclass(frozen=True)
class Partner:
    """The difference of another frame, and its electrons per electron of this one."""

    difference_key: str
    scale: float
