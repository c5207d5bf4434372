"""Master frames of a raw survey, and which of them each light frame uses.

Calibration frames of one night that agree make one master (`groups`),
stored once and identified by its members. A light frame takes the nearest in time of
those that suit it. The choice is kept: processing a night again gives the same bytes
whatever was ingested in between, until a user asks for a new choice (``force``)
or changes the survey's calibration.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from astrid_assets.science.quality.master_gates import master_quality
from astrid_assets.steps import versions
from astrid_assets.steps.calibration_masters.groups import KINDS
from astrid_assets.steps.calibration_masters.keys import MasterKeys
from astrid_assets.steps.calibration_masters.making import Workshop
from astrid_assets.steps.calibration_masters.pictures import pictures_of
from astrid_assets.steps.locations import located
from astrid_assets.steps.nights import NightReport, finish, hash_of, unchanged_report
from astrid_assets.storage.queries import observations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from astrid_assets.science.quality.gate import Verdict
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.frames import Observation
    from astrid_assets.storage.database.tables.masters import CalibrationMaster
    from astrid_assets.surveys.profile import SurveyProfile


ASSET = "calibration_masters"


def masters_nights(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str], *, force: bool = False
) -> Iterator[NightReport]:
    """Make the masters of the nights' calibration frames and those their lights use."""
    workshop = None if _is_calibrated(profile) else Workshop(tools, profile)
    for night in nights:
        with located(profile.name, night):
            report = _masters_night(tools, profile, workshop, night, force=force)
        yield report


def masters_of(
    tools: Tools,
    profile: SurveyProfile,
    lights: Sequence[Observation],
    *,
    again: bool = False,
) -> dict[str, MasterKeys]:
    """Return the masters of light frames by their ids, making what is not there yet.

    What was chosen before stays chosen, unless `again`.
    """
    if _is_calibrated(profile) or not lights:
        return {frame.id: MasterKeys() for frame in lights}
    return Workshop(tools, profile).keys_of(lights, again=again)


def _masters_night(
    tools: Tools,
    profile: SurveyProfile,
    workshop: Workshop | None,
    night: str,
    *,
    force: bool,
) -> NightReport:
    survey = profile.name
    with tools.catalogue.read() as session:
        frames = observations.observations_of_night(session, survey, night, status="registered")
    lights = [frame for frame in frames if frame.kind == "light"]
    if workshop is None:
        keys: Mapping[str, MasterKeys] = {}
        made: Mapping[str, CalibrationMaster] = {}
        failures: Mapping[str, str] = {}
    else:
        keys = workshop.keys_of(lights, again=force)
        made, failures = workshop.masters_for_night(night, keys.values())
    input_hash = hash_of(
        versions.MASTERS,
        sorted(made),
        sorted(failures),
        [[frame, vars(keys[frame])] for frame in sorted(keys)],
    )
    with tools.catalogue.read() as session:
        before = unchanged_report(session, survey, night, ASSET, input_hash)
    if before and not force:
        return before
    rows = sorted(made.values(), key=lambda row: (row.kind, row.band, row.night, row.id))
    missing = Counter(kind for found in keys.values() for kind in found.missing)
    summary: dict[str, object] = {
        "lights": len(lights),
        "calibration_frames": len(frames) - len(lights),
        "masters": len(rows),
        "frames_without": dict(missing),
        "not_made": dict(failures),
    }
    for row in rows:
        summary[f"{row.kind} {row.band}".strip() + f" of {row.night}"] = described(row)
    report = NightReport(
        survey,
        night,
        ASSET,
        summary,
        _verdicts(profile, rows, missing),
        pictures=pictures_of(tools, survey, night, rows),
    )
    with tools.catalogue.begin() as session:
        finish(session, report, input_hash)
    return report


def described(row: CalibrationMaster) -> str:
    """Return members, clipped fraction, level and noise of a master, in words."""
    unit = {"bias": "e-", "dark": "e-/s"}.get(row.kind, "")
    level_unit = unit or "e-"
    noise = "unknown" if row.noise is None else f"{row.noise:.3g} {unit}".rstrip()
    return (
        f"{len(row.members)} members, {row.clipped_fraction or 0.0:.2%} clipped, "
        f"level {row.level:.4g} {level_unit}, noise {noise}"
    )


def _verdicts(
    profile: SurveyProfile,
    rows: Sequence[CalibrationMaster],
    missing: Mapping[str, int],
) -> tuple[Verdict, ...]:
    if _is_calibrated(profile):
        return tuple(v for kind in KINDS for v in master_quality(kind, {}, 0))
    return tuple(
        verdict
        for kind in KINDS
        for verdict in master_quality(
            kind,
            {
                f"{row.night} {row.band}".strip(): (
                    row.clipped_fraction or 0.0,
                    described(row),
                )
                for row in rows
                if row.kind == kind
            },
            missing.get(kind, 0),
        )
    )


def _is_calibrated(profile: SurveyProfile) -> bool:
    return profile.calibration.frames_are == "calibrated"
