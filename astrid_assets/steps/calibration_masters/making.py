"""Making masters and choosing them for light frames; the catalogue remembers both."""

from __future__ import annotations

from collections import defaultdict
from math import isnan
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.calibration.masters import make_master
from astrid_assets.science.errors import FrameRejected, ScienceError
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.steps import versions
from astrid_assets.steps.calibration_masters.groups import (
    KINDS,
    Group,
    MasterRequest,
    groups_of,
    is_near,
    suitable,
    wish_of,
)
from astrid_assets.steps.calibration_masters.keys import MasterKeys, bad_pixel_map
from astrid_assets.steps.nights import hash_of
from astrid_assets.steps.raw_files import open_raw_file
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.masters import CalibrationMaster, FrameMaster
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.fits.frames import image_from_fits, image_to_fits
from astrid_assets.storage.objects import layout
from astrid_assets.storage.queries import observations
from astrid_assets.surveys.fits.reader import max_pixels, raw_image_to_frame, read_image
from astrid_assets.surveys.fits.unpacking import limit_bytes
from astrid_assets.surveys.sources.base import FileUnavailable
from astrid_assets.surveys.sources.regular_file import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.calibration.masters import Kind, Master
    from astrid_assets.science.frame import Frame
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.frames import Observation
    from astrid_assets.surveys.profile import SurveyProfile

MAX_MEMBERS = 25
"""More frames hardly lower a master's noise any further, but all are in memory."""

TAKEN_OFF: dict[Kind, tuple[Kind, ...]] = {"bias": (), "dark": ("bias",), "flat": ("bias", "dark")}
"""Masters that are subtracted from the frames of another kind."""


class Workshop:
    """Makes each master of a survey once, and knows why another could not be made."""

    def __init__(self, tools: Tools, profile: SurveyProfile) -> None:
        self.tools = tools
        self.profile = profile
        self.settings_hash = hash_of(
            versions.MASTERS,
            profile.calibration.model_dump(mode="json", exclude={"on_missing_master"}),
            profile.detector,
        )
        with tools.catalogue.read() as session:
            available = observations.calibration_frames(session, profile.name, KINDS)
        self.groups = groups_of(available, profile.calibration.temperature_tolerance_c)
        self._alike: dict[tuple[str, str], list[Group]] = defaultdict(list)
        for group in self.groups:
            self._alike[group.kind, group.band].append(group)
        self._made: dict[Group, CalibrationMaster | str] = {}

    def keys_of(
        self, lights: Sequence[Observation], *, again: bool = False
    ) -> dict[str, MasterKeys]:
        """Return the masters of light frames by their ids; see `masters.masters_of`."""
        with self.tools.catalogue.read() as session:
            chosen = observations.chosen_masters(session, [f.id for f in lights])
        there = {
            key
            for key in {row.frame_key for kinds in chosen.values() for _, row in kinds.values()}
            if self.tools.store.exists(key)
        }
        keys: dict[str, MasterKeys] = {}
        rows: list[FrameMaster] = []
        marked = self._bad_pixels()
        for frame in lights:
            kept = (
                {}
                if again
                else {
                    kind: (choice, master)
                    for (kind, (choice, master)) in chosen.get(frame.id, {}).items()
                    if choice.settings_hash == self.settings_hash and master.frame_key in there
                }
            )
            keys[frame.id], new = self._keys(frame, kept, marked)
            rows += new
        if rows:
            with self.tools.catalogue.begin() as session:
                upsert(session, rows)
        return keys

    def masters_for_night(
        self, night: str, used: Iterable[MasterKeys]
    ) -> tuple[dict[str, CalibrationMaster], dict[str, str]]:
        """Return masters that a night made or uses, by id; and why others failed."""
        failures: dict[str, str] = {}
        made: dict[str, CalibrationMaster] = {}
        for group in self.groups:
            if group.night != night:
                continue
            master = self._master(group)
            if isinstance(master, str):
                failures[group.name] = master
            else:
                made[master.id] = master
        keys = {key for found in used for kind in KINDS if (key := getattr(found, kind))}
        with self.tools.catalogue.read() as session:
            stored = observations.masters_with_keys(session, self.profile.name, keys)
        return made | {row.id: row for row in stored}, failures

    def _keys(
        self,
        frame: Observation,
        kept: dict[str, tuple[FrameMaster, CalibrationMaster]],
        marked: str | FrameRejected | None,
    ) -> tuple[MasterKeys, list[FrameMaster]]:
        found: dict[Kind, CalibrationMaster] = {}
        flags: list[tuple[str, str]] = []
        missing: list[tuple[str, str]] = []
        rows: list[FrameMaster] = []
        for kind in KINDS:
            if kind in kept:
                choice, master = kept[kind]
                odd = [(code, text) for code, text in choice.flags]
            else:
                picked = self._pick(kind, wish_of(frame))
                if isinstance(picked, str):
                    missing.append((kind, picked))
                    continue
                master, odd = picked
                rows.append(
                    FrameMaster(
                        observation_id=frame.id,
                        kind=kind,
                        master_id=master.id,
                        settings_hash=self.settings_hash,
                        flags=[list(flag) for flag in odd],
                    )
                )
            found[kind] = master
            flags += odd
        if isinstance(marked, FrameRejected):
            missing.append(("bad-pixel map", str(marked)))
            marked = None
        return _keys_of(found, marked, flags, missing), rows

    def _pick(
        self, kind: Kind, request: MasterRequest
    ) -> tuple[CalibrationMaster, list[tuple[str, str]]] | str:
        """Return the best master that can be made, with its flags; or why none."""
        band = request.band if kind == "flat" else ""
        alike = self._alike.get((kind, band), [])
        choice = suitable(alike, kind, request, self.profile.calibration)
        why = choice.why_none
        for group in choice.groups:
            master = self._master(group)
            if isinstance(master, str):
                why = why or master
                continue
            if kind == "flat" or is_near(group, request, self.profile.calibration):
                return master, []
            text = (
                f"the master {kind} was taken at {group.temperature_c:.1f} C, the "
                f"frame at {request.temperature_c:.1f} C"
            )
            return master, [(ReasonCode.MASTER_TEMPERATURE.value, text)]
        return why

    def _master(self, group: Group) -> CalibrationMaster | str:
        """Return a group's master, making it when it is not there; or why not."""
        if group not in self._made:
            try:
                self._made[group] = self._find_or_make(group)
            except ScienceError as error:
                self._made[group] = f"{group.name}: {error}"
        return self._made[group]

    def _find_or_make(self, group: Group) -> CalibrationMaster:
        needed = self.profile.calibration.min_master_frames
        if len(group.frames) < needed:
            raise FrameRejected(
                ReasonCode.NO_CALIBRATION_FRAMES,
                f"{len(group.frames)} frames, {needed} needed (calibration.min_master_frames)",
                found=len(group.frames),
            )
        others = self._taken_off(group)
        made_with = [row.frame_key for row in others.values()]
        members = [frame.id for frame in group.frames]
        # A master of other settings, or made with another bias, is another master.
        master_id = ids.master_id(
            self.profile.name,
            group.kind,
            group.band,
            None,
            [*members, *made_with, self.settings_hash],
        )
        with self.tools.catalogue.read() as session:
            known = session.get(CalibrationMaster, master_id)
        if known is not None and self.tools.store.exists(known.frame_key):
            return known
        return self._store(group, master_id, made_with, *self._combine(group, others))

    def _taken_off(self, group: Group) -> dict[str, CalibrationMaster]:
        """Return the masters that are subtracted from a group's frames."""
        request = MasterRequest(group.night, group.band, group.setup, group.temperature_c)
        found: dict[str, CalibrationMaster] = {}
        kinds: dict[str, tuple[Kind, ...]] = {
            "dark": ("bias",),
            "flat": ("bias", "dark"),
        }
        for kind in kinds.get(group.kind, ()):
            picked = self._pick(kind, request)
            if not isinstance(picked, str):
                found[kind] = picked[0]
            elif kind == "bias" and not self._has_overscan():
                raise FrameRejected(ReasonCode.NO_MASTER, f"it needs a master bias: {picked}")
        return found

    def _has_overscan(self) -> bool:
        """Say whether the pedestal of a frame is gone without a bias."""
        detector = self.profile.detector
        return detector.overscan is not None or any(
            amplifier.overscan for amplifier in detector.amplifiers
        )

    def _combine(
        self, group: Group, others: dict[str, CalibrationMaster]
    ) -> tuple[Master, list[str]]:
        needed = self.profile.calibration.min_master_frames
        members = _spread(group.frames, max(MAX_MEMBERS, needed))
        frames = [self._electrons(member) for member in members]
        bias = self._image(others.get("bias"))
        if bias is None and self._has_overscan():
            bias = np.zeros_like(frames[0].data)
        master = make_master(
            [frame.data for frame in frames],
            group.kind,
            bias=bias,
            dark=self._image(others.get("dark")),
            exposures_s=[frame.exposure_s for frame in frames],
            saturation_e=min(frame.saturation_e for frame in frames),
            min_frames=needed,
        )
        return master, [members[place].id for place in master.used]

    def _store(
        self,
        group: Group,
        master_id: str,
        made_with: list[str],
        master: Master,
        members: list[str],
    ) -> CalibrationMaster:
        key = self.tools.store.put(
            layout.master_key(self.profile.name, group.kind, group.night),
            image_to_fits(master.image),
            ".fits",
        )
        instrument, readout_mode, binning, width, height = group.setup
        row = CalibrationMaster(
            id=master_id,
            survey=self.profile.name,
            kind=group.kind,
            band=group.band,
            exposure_s=master.exposure_s,
            night=group.night,
            members=members,
            made_with=made_with,
            instrument=instrument,
            readout_mode=readout_mode,
            binning=binning,
            ccd_temperature_c=group.temperature_c,
            width=width,
            height=height,
            level=master.level,
            # A single frame does not show its noise.
            noise=None if isnan(master.noise) else master.noise,
            clipped_fraction=master.clipped_fraction,
            frame_key=key,
            created_at=now(),
        )
        with self.tools.catalogue.begin() as session:
            upsert(session, [row])
            return session.get_one(CalibrationMaster, master_id)

    def _electrons(self, member: Observation) -> Frame:
        file = open_raw_file(self.tools.store, str(member.raw_key), self.profile)
        raw = read_image(file, member.hdu, member.source_path, self.profile)
        return raw_image_to_frame(raw, member.id)

    def _image(self, row: CalibrationMaster | None) -> Image | None:
        return None if row is None else image_from_fits(self.tools.store.get(row.frame_key))

    def _bad_pixels(self) -> str | FrameRejected | None:
        """Keep the survey's map of bad pixels, or say what makes it unusable."""
        path = self.profile.detector.bad_pixel_map
        if path is None:
            return None
        limit = limit_bytes(max_pixels(self.profile))
        try:
            content = read_regular(path.expanduser(), path.name, limit)
            bad_pixel_map(content)
        except FileUnavailable as error:
            return FrameRejected(
                ReasonCode.BAD_PIXEL_MAP, f"detector.bad_pixel_map cannot be read: {error}"
            )
        except FrameRejected as error:
            return error
        return self.tools.store.put(layout.bad_pixels_key(self.profile.name), content, ".fits")


def _spread(frames: Sequence[Observation], most: int) -> list[Observation]:
    """Return at most so many frames, evenly over the group."""
    if len(frames) <= most:
        return list(frames)
    return [frames[k * len(frames) // most] for k in range(most)]


def _keys_of(
    found: dict[Kind, CalibrationMaster],
    bad_pixels: str | None,
    flags: list[tuple[str, str]],
    missing: list[tuple[str, str]],
) -> MasterKeys:
    bias, dark = found.get("bias"), found.get("dark")
    is_same_bias = bias and dark and bias.frame_key in (dark.made_with or ())
    noises = [found[kind].noise or 0.0 if kind in found else 0.0 for kind in KINDS]
    return MasterKeys(
        **{kind: master.frame_key for kind, master in found.items()},
        bad_pixels=bad_pixels,
        noises=(noises[0], noises[1], noises[2]),
        dark_exposure_s=dark.exposure_s if dark and is_same_bias else None,
        flags=tuple(flags),
        why_missing=tuple(missing),
    )
