"""Master frames of a raw survey: from the calibration frames nearest in time.

A master of a kind (and band, for flats) is made from the frames of one night: the
latest one not after the night in question that has enough of them, else the first
one after it. It is stored once and identified by its members.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from astrid_assets.science.calibration.masters import Masters, combine
from astrid_assets.science.errors import FrameRejected, Reason, ScienceError
from astrid_assets.storage import ids, layout, observations
from astrid_assets.storage.catalogue import now, upsert
from astrid_assets.storage.frame_store import image_from_fits, image_to_fits
from astrid_assets.storage.tables import CalibrationMaster, Observation
from astrid_assets.surveys.fits_door import raw_image_to_frame, read_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.science.calibration.masters import Kind
    from astrid_assets.science.frame import Image
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.object_store import ObjectStore
    from astrid_assets.surveys.profile import SurveyProfile

KINDS: tuple[Kind, ...] = ("bias", "dark", "flat")


@dataclass(frozen=True)
class MasterKeys:
    """Object keys of the masters for one night and band; None where there is none."""

    bias: str | None = None
    dark: str | None = None
    flat: str | None = None

    @property
    def missing(self) -> list[str]:
        """Kinds without a master."""
        return [kind for kind in KINDS if getattr(self, kind) is None]


def ensure_masters(
    tools: Tools, profile: SurveyProfile, night: str, band: str
) -> MasterKeys:
    """Return the masters for a night and band, making those that are not there yet."""
    if profile.calibration.frames_are == "calibrated":
        return MasterKeys()
    with tools.catalogue.read() as session:
        available = observations.calibration_frames(session, profile.name, KINDS)
    keys: dict[str, str | None] = {}
    for kind in KINDS:
        members = _nearest(available, kind, band, night, profile)
        keys[kind] = _master(tools, profile, kind, band, members, keys)
    return MasterKeys(**keys)


def check_masters(profile: SurveyProfile, keys: MasterKeys) -> list[Reason]:
    """Return a flag for each missing master, or reject, as the profile says.

    Raises
    ------
    FrameRejected
        If a master is missing and the profile does not let frames go on.
    """
    if profile.calibration.frames_are == "calibrated" or not keys.missing:
        return []
    names = ", ".join(keys.missing)
    if profile.calibration.on_missing_master == "reject":
        raise FrameRejected(
            "no_master",
            f"no master {names} for this night: register at least "
            f"{profile.calibration.min_master_frames} such frames, or set "
            "[calibration] on_missing_master = 'continue'",
        )
    return [Reason("no_master", f"went on without master {names}")]


@lru_cache(maxsize=4)
def load_masters(store: ObjectStore, keys: MasterKeys) -> Masters:
    """Read the masters; a worker keeps the last ones."""
    images = {
        kind: image_from_fits(store.get(key))
        for kind in KINDS
        if (key := getattr(keys, kind)) is not None
    }
    return Masters(**images)


def _nearest(
    available: Sequence[Observation],
    kind: Kind,
    band: str,
    night: str,
    profile: SurveyProfile,
) -> list[Observation]:
    by_night: dict[str, list[Observation]] = defaultdict(list)
    for frame in available:
        if frame.kind == kind and (kind != "flat" or frame.band == band):
            by_night[frame.night].append(frame)
    enough = [
        date
        for date, found in sorted(by_night.items())
        if len(found) >= profile.calibration.min_master_frames
    ]
    earlier = [date for date in enough if date <= night]
    chosen = earlier[-1:] or enough[:1]
    return by_night[chosen[0]] if chosen else []


def _master(
    tools: Tools,
    profile: SurveyProfile,
    kind: Kind,
    band: str,
    members: Sequence[Observation],
    others: dict[str, str | None],
) -> str | None:
    if not members:
        return None
    band = band if kind == "flat" else ""
    # A flat or dark made with another bias is another master.
    made_of = [member.id for member in members] + [
        key for key in others.values() if key
    ]
    master_id = ids.master_id(profile.name, kind, band, None, made_of)
    with tools.catalogue.read() as session:
        known = session.get(CalibrationMaster, master_id)
    if known is not None and tools.store.exists(known.frame_key):
        return known.frame_key
    try:
        image = combine(
            [_electrons(tools, profile, member) for member in members],
            kind,
            bias=_image(tools, others.get("bias")),
            dark=_image(tools, others.get("dark")),
            exposures_s=[member.exposure_s or 0.0 for member in members],
        )
    except ScienceError:
        # Frames that make no master are as good as none: the policy decides.
        return None
    night = members[0].night
    key = tools.store.put(
        layout.master(profile.name, kind, night), image_to_fits(image), ".fits"
    )
    row = {
        "id": master_id,
        "survey": profile.name,
        "kind": kind,
        "band": band,
        "exposure_s": None,
        "night": night,
        "members": made_of,
        "frame_key": key,
        "created_at": now(),
    }
    with tools.catalogue.begin() as session:
        upsert(session, CalibrationMaster, [row])
    return key


def _electrons(tools: Tools, profile: SurveyProfile, member: Observation) -> Image:
    content = tools.store.get(str(member.raw_key))
    raw = read_image(content, member.hdu, member.source_path, profile)
    return raw_image_to_frame(raw, member.id).data


def _image(tools: Tools, key: str | None) -> Image | None:
    return None if key is None else image_from_fits(tools.store.get(key))


__all__ = ["MasterKeys", "check_masters", "ensure_masters", "load_masters"]
