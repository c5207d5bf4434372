"""Which calibration frames make one master, and which masters suit a frame.

Frames of one night that agree in everything that matters make one master; frames
that do not agree never mix. Nothing is read here: groups are made of catalogue rows.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from astrid_assets.science.calibration.masters import Kind
    from astrid_assets.storage.database.tables.frames import Observation
    from astrid_assets.surveys.profile import Calibration

KINDS: tuple[Kind, ...] = ("bias", "dark", "flat")
COLD_KINDS = ("bias", "dark")
"""Kinds that change with the detector's temperature; its response hardly does."""

Setup = tuple[str, str, str, int, int]
"""Instrument, read-out mode, binning, width and height."""


@dataclass(frozen=True)
class Group:
    """Frames that make one master; `temperature_c` is their mean, None if unknown."""

    kind: Kind
    band: str
    night: str
    setup: Setup
    temperature_c: float | None
    frames: tuple[Observation, ...]

    @cached_property
    def day(self) -> int:
        """The night as a number of days."""
        return date.fromisoformat(self.night).toordinal()

    @property
    def name(self) -> str:
        """The group in words."""
        what = f"{self.kind} {self.band}".strip()
        cold = "" if self.temperature_c is None else f" at {self.temperature_c:.1f} C"
        return f"{what} frames of {self.night}{cold}"


@dataclass(frozen=True)
class MasterRequest:
    """What a frame asks of its masters."""

    night: str
    band: str
    setup: Setup
    temperature_c: float | None


@dataclass(frozen=True)
class Choice:
    """Groups that suit a request, the best first; `why_none` when there is none."""

    groups: tuple[Group, ...]
    why_none: str = ""


def setup_of(frame: Observation) -> Setup:
    """Return what a frame and its masters have to agree in."""
    return (
        frame.instrument or "",
        frame.readout_mode or "",
        frame.binning or "",
        frame.width or 0,
        frame.height or 0,
    )


def wish_of(frame: Observation) -> MasterRequest:
    """Return what a light frame asks of its masters."""
    return MasterRequest(frame.night, frame.band, setup_of(frame), frame.ccd_temperature_c)


def groups_of(frames: Iterable[Observation], tolerance_c: float) -> list[Group]:
    """Return the groups of calibration frames, however few frames each has.

    Parameters
    ----------
    frames
        In a fixed order; each group keeps it.
    tolerance_c : degrees Celsius
        Frames of one group differ by at most this.
    """
    alike: dict[tuple[Kind, str, str, Setup], list[Observation]] = defaultdict(list)
    for frame in frames:
        for kind in KINDS:
            if frame.kind == kind:
                band = frame.band if kind == "flat" else ""
                alike[kind, band, frame.night, setup_of(frame)].append(frame)
    return [
        Group(*key, temperature_c=_mean_temperature(members), frames=tuple(members))
        for key, found in sorted(alike.items())
        for members in _by_temperature(found, tolerance_c)
    ]


def suitable(
    groups: Sequence[Group], kind: Kind, request: MasterRequest, settings: Calibration
) -> Choice:
    """Return the groups whose master a frame may use, the best first.

    Those near enough in temperature come first, the nearest in time before the
    others, of two at the same distance the earlier; then, if the survey lets them,
    those of another temperature, the nearest in temperature first.
    """
    band = request.band if kind == "flat" else ""
    alike = [g for g in groups if (g.kind, g.band) == (kind, band)]
    of_setup = [g for g in alike if g.setup == request.setup]
    limit: int = getattr(settings.max_age_days, kind)
    today = date.fromisoformat(request.night).toordinal()

    def age(group: Group) -> tuple[int, int]:
        return abs(group.day - today), group.day

    young = [g for g in of_setup if age(g)[0] <= limit]
    enough = [g for g in young if len(g.frames) >= settings.min_master_frames]
    near = [g for g in enough if is_near(g, request, settings)]
    far = [g for g in enough if not is_near(g, request, settings)]
    if kind not in COLD_KINDS:
        near, far = enough, []
    others = far if settings.temperature_policy == "nearest" else []
    chosen = (
        *sorted(near, key=lambda g: (age(g), _off(g, request))),
        *sorted(others, key=lambda g: (_off(g, request), age(g))),
    )
    if chosen:
        return Choice(chosen)
    what = f"{kind} {band}".strip()
    if not alike:
        return Choice((), f"no {what} frames are registered")
    if not of_setup:
        return Choice((), f"no {what} frames with the set-up {_words(request.setup)}")
    if not young:
        best = min(of_setup, key=age)
        return Choice(
            (),
            f"the nearest {best.name} are {age(best)[0]} days away, at "
            f"most {limit} allowed (calibration.max_age_days)",
        )
    if not enough:
        best = max(young, key=lambda g: (len(g.frames), g.night))
        return Choice(
            (),
            f"{len(best.frames)} {best.name}, "
            f"{settings.min_master_frames} needed "
            "(calibration.min_master_frames)",
        )
    best = min(far, key=lambda g: _off(g, request))
    return Choice(
        (),
        f"the nearest in temperature are the {best.name}, "
        f"{_off(best, request):.1f} C from the frame's; at most "
        f"{settings.temperature_tolerance_c:g} C allowed",
    )


def is_near(group: Group, request: MasterRequest, settings: Calibration) -> bool:
    """Say whether a group has the frame's temperature, as far as both are known."""
    return _off(group, request) <= settings.temperature_tolerance_c


def _off(group: Group, request: MasterRequest) -> float:
    if group.temperature_c is None or request.temperature_c is None:
        return 0.0
    return abs(group.temperature_c - request.temperature_c)


def _by_temperature(
    frames: Sequence[Observation], tolerance_c: float
) -> Iterator[list[Observation]]:
    """Yield frames of one temperature, the coldest first; unknown ones apart."""
    known = [f for f in frames if f.ccd_temperature_c is not None]
    unknown = [f for f in frames if f.ccd_temperature_c is None]
    group: list[Observation] = []
    start = 0.0
    for frame in sorted(known, key=lambda f: f.ccd_temperature_c or 0.0):
        temperature = frame.ccd_temperature_c or 0.0
        if group and temperature - start > tolerance_c:
            yield _in_order(group, frames)
            group = []
        if not group:
            start = temperature
        group.append(frame)
    if group:
        yield _in_order(group, frames)
    if unknown:
        yield unknown


def _in_order(some: Sequence[Observation], frames: Sequence[Observation]) -> list[Observation]:
    ids = {frame.id for frame in some}
    return [frame for frame in frames if frame.id in ids]


def _mean_temperature(frames: Sequence[Observation]) -> float | None:
    known = [f.ccd_temperature_c for f in frames if f.ccd_temperature_c is not None]
    return fmean(known) if known else None


def _words(setup: Setup) -> str:
    *texts, width, height = setup
    return ", ".join([*(text for text in texts if text), f"{width} x {height}"])
