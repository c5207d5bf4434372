"""Light curves with a flux on every frame, and what moves within a night.

A night measures the position of every known object on its own differences, and the
positions of objects it saw first on those of the nights before. Whatever the order of
the nights, each pair of object and difference ends up measured once.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.astrometry.wcs_tools import to_pixels
from astrid_assets.science.detection.tracklets import link
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.photometry.forced_photometry import forced_fluxes, is_persistent_hole
from astrid_assets.science.quality.gates import reference_is_clean
from astrid_assets.steps import versions
from astrid_assets.steps.locations import located
from astrid_assets.steps.nights import (
    NightReport,
    Tools,
    finish,
    hash_of,
    unchanged_report,
)
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.sky_index import distance_arcsec
from astrid_assets.storage.database.tables.detections import ForcedFlux, TrackletRow
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.fits.differences import score_planes_from_fits
from astrid_assets.storage.queries import candidates, gates, light_curves

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.tables.detections import SkyObject
    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.storage.queries.light_curves import MeasurableDifference
    from astrid_assets.surveys.profile import SurveyProfile

log = logging.getLogger(__name__)
ASSET = "light_curves"
ARCSEC = 3600.0


@dataclass(frozen=True)
class ForceTask:
    """One difference and the positions to measure on it; travels to a worker process."""

    store: ObjectStore
    difference_id: str
    difference_key: str
    object_ids: tuple[str, ...]
    ra_deg: tuple[float, ...]
    dec_deg: tuple[float, ...]


def measure_nights(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str], *, force: bool = False
) -> Iterator[NightReport]:
    """Bring the light curves of the nights up to date; one report each, in order."""
    with tools.catalogue.read() as session:
        held = gates.blocked_nights(session, profile.name, "detections")
    for night in nights:
        with located(profile.name, night):
            report = _measure_night(tools, profile, night, is_held=night in held, force=force)
        yield report


def _measure_night(
    tools: Tools, profile: SurveyProfile, night: str, *, is_held: bool, force: bool
) -> NightReport:
    survey = profile.name
    with tools.catalogue.read() as session:
        here = (
            [] if is_held else light_curves.measurable_differences(session, survey, nights=[night])
        )
        everything = light_curves.objects_with_first_night(session, survey)
        seen = [item for item, first in everything if first <= night and here]
        later = [item for item, first in everything if first > night]
        known = light_curves.known_pairs(session, [d.difference_id for d in here])
        # A later night that was run first could not measure its objects here.
        missed = _without(_tasks(tools.store, here, later), known)
        found = candidates.detections_of_night(session, survey, night) if here else []
        input_hash = hash_of(
            versions.LIGHT_CURVES,
            [d.difference_id for d in here],
            [item.id for item in seen],
            [row.detection_id for row in found],
            profile.light_curves,
        )
        before = unchanged_report(session, survey, night, ASSET, input_hash)
        if before and not missed and not force:
            return before
        new = [item for item, first in everything if first == night and here]
        earlier = _tasks(tools.store, _earlier(session, profile, night), new)
        if not force:
            keys = [task.difference_id for task in earlier]
            earlier = _without(earlier, light_curves.known_pairs(session, keys))
    own = _measured(tools, _tasks(tools.store, here, seen))
    rows = [*own, *_measured(tools, [*missed, *earlier])]
    moving = _tracklets(profile, night, found)
    with tools.catalogue.begin() as session:
        upsert(session, rows)
    with tools.catalogue.read() as session:
        dark = {row.object_id for row in found if row.sign < 0 and row.object_id}
        holes = _holes(session, [item for item in seen if item.id in dark], night)
    report = NightReport(
        survey,
        night,
        ASSET,
        {
            "objects": len(seen),
            "new_objects": len(new),
            "fluxes": sum(row.flux_e is not None for row in own),
            "usable_fluxes": sum(row.is_usable for row in own),
            "tracklets": len(moving),
            "reference_holes": holes,
        },
        (reference_is_clean(holes),),
    )
    with tools.catalogue.begin() as session:
        light_curves.forget_tracklets(session, survey, night)
        upsert(session, moving)
        finish(session, report, input_hash)
    return report


def _measured(tools: Tools, tasks: Sequence[ForceTask]) -> list[ForcedFlux]:
    return [row for part in tools.compute.map(force_on, tasks) for row in part]


def _earlier(session: Session, profile: SurveyProfile, night: str) -> list[MeasurableDifference]:
    """Return the differences of the nights before, as far back as the profile says."""
    all_before = light_curves.measurable_differences(session, profile.name, before=night)
    nights = sorted({d.night for d in all_before}, reverse=True)
    kept = set(nights[: profile.light_curves.history_nights])
    return [d for d in all_before if d.night in kept]


def _tasks(
    store: ObjectStore,
    differences: Sequence[MeasurableDifference],
    objects: Sequence[SkyObject],
) -> list[ForceTask]:
    """Pair each difference with the objects inside its circle on the sky."""
    if not objects:
        return []
    ra = np.array([item.ra_deg for item in objects])
    dec = np.array([item.dec_deg for item in objects])
    tasks = []
    for difference in differences:
        away = distance_arcsec(difference.ra_deg, difference.dec_deg, ra, dec)
        inside = np.flatnonzero(away <= difference.radius_deg * ARCSEC)
        if not len(inside):
            continue
        tasks.append(
            ForceTask(
                store=store,
                difference_id=difference.difference_id,
                difference_key=difference.difference_key,
                object_ids=tuple(objects[int(i)].id for i in inside),
                ra_deg=tuple(float(v) for v in ra[inside]),
                dec_deg=tuple(float(v) for v in dec[inside]),
            )
        )
    return tasks


def _holes(session: Session, objects: Sequence[SkyObject], night: str) -> list[str]:
    """Name the positions that are dark on nearly every frame until a night."""
    holes = []
    for item in objects:
        points = [
            point
            for point in light_curves.forced_light_curve(session, item.id)
            if point.is_usable and point.night <= night
        ]
        scale = np.array([10 ** (-0.4 * (p.zero_point_mag or 0.0)) for p in points])
        flux = np.array([point.flux_e for point in points]) * scale
        error = np.array([point.flux_err_e for point in points]) * scale
        if is_persistent_hole(flux, error):
            holes.append(f"{item.ra_deg:.5f} {item.dec_deg:+.5f}")
    return holes


def _without(tasks: Sequence[ForceTask], known: set[tuple[str, str]]) -> list[ForceTask]:
    """Leave out the objects that are measured on their difference already."""
    left = []
    for task in tasks:
        keep = [
            i
            for i, object_id in enumerate(task.object_ids)
            if (object_id, task.difference_id) not in known
        ]
        if keep:
            left.append(
                replace(
                    task,
                    object_ids=tuple(task.object_ids[i] for i in keep),
                    ra_deg=tuple(task.ra_deg[i] for i in keep),
                    dec_deg=tuple(task.dec_deg[i] for i in keep),
                )
            )
    return left


def force_on(task: ForceTask) -> list[ForcedFlux]:
    """Measure the positions on one difference."""
    planes = score_planes_from_fits(task.store.get(task.difference_key))
    try:
        places = to_pixels(planes.wcs, np.array(task.ra_deg), np.array(task.dec_deg))
    except FrameRejected as error:
        log.warning("no forced fluxes on %s: %s", task.difference_id, error)
        return []
    fluxes = forced_fluxes(planes.score, planes.flux_err, planes.mask, places[:, 0], places[:, 1])
    return [
        ForcedFlux(
            object_id=object_id,
            difference_id=task.difference_id,
            flux_e=_or_none(fluxes.flux_e[i]),
            flux_err_e=_or_none(fluxes.flux_err_e[i]),
            mask_bits=int(fluxes.mask_bits[i]),
            is_usable=bool(fluxes.is_usable[i]),
        )
        for i, object_id in enumerate(task.object_ids)
    ]


def _tracklets(
    profile: SurveyProfile, night: str, found: Sequence[candidates.DetectionRow]
) -> list[TrackletRow]:
    """Link the night's rising detections by field; a star that stays is none."""
    settings = profile.light_curves
    rows: list[TrackletRow] = []
    by_field: dict[str, list[candidates.DetectionRow]] = defaultdict(list)
    for row in found:
        if row.sign > 0 and row.ra_deg is not None and row.dec_deg is not None:
            by_field[row.field].append(row)
    for field in sorted(by_field):
        members = by_field[field]
        for tracklet in link(
            np.array([m.observed_mjd for m in members]),
            np.array([m.ra_deg for m in members], dtype=np.float64),
            np.array([m.dec_deg for m in members], dtype=np.float64),
            max_rate_arcsec_h=settings.max_rate_arcsec_h,
            min_rate_arcsec_h=settings.min_rate_arcsec_h,
            tolerance_arcsec=settings.tracklet_tolerance_arcsec,
        ):
            own = [members[i].detection_id for i in tracklet.members]
            rows.append(
                TrackletRow(
                    id=ids.tracklet_id(own),
                    survey=profile.name,
                    night=night,
                    members=own,
                    rate_arcsec_h=tracklet.rate_arcsec_h,
                    position_angle_deg=tracklet.position_angle_deg,
                    rms_arcsec=tracklet.rms_arcsec,
                )
            )
    return rows


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
