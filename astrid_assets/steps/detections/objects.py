"""Objects: detections of the same position on the sky, joined and drawn over time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.pictures.sparklines import light_curve_sparkline
from astrid_assets.science.detection.association import associate
from astrid_assets.steps.nights import keep_picture
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.sky_index import healpix_of
from astrid_assets.storage.database.tables.detections import SkyObject
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.queries import candidates
from astrid_assets.storage.queries.naming import (
    detection_names,
    lock_names,
    new_detection_names,
    new_object_names,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.tables.detections import CandidateRow, Detection
    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.surveys.profile import SurveyProfile

SHOWN_OBJECTS = 3


def with_objects(
    session: Session,
    profile: SurveyProfile,
    found: Sequence[CandidateRow],
    detections: Sequence[Detection],
) -> list[Detection]:
    """Return the detections with the object at their position, making new ones where none is.

    Detections known before keep their object and their name, so a repeated night changes
    nothing. Detections without coordinates stay alone, and have no name.
    """
    # Two nights at once must not make two objects of one position, nor give one name twice.
    lock_names(session)
    positions = {
        row.id: (row.ra_deg, row.dec_deg)
        for row in found
        if row.ra_deg is not None and row.dec_deg is not None
    }
    known = candidates.object_ids(session, [row.id for row in detections])
    todo = [
        row for row in detections if known.get(row.id) is None and row.candidate_id in positions
    ]
    joined = known | _joined(session, profile, todo, positions)
    names = detection_names(session, [row.id for row in detections])
    unnamed = [row.id for row in detections if row.id not in names]
    new = new_detection_names(session, [joined.get(id_) for id_ in unnamed])
    names |= {id_: name for id_, name in zip(unnamed, new, strict=True) if name is not None}
    return [
        replace(row, object_id=joined.get(row.id), name=names.get(row.id)) for row in detections
    ]


def _joined(
    session: Session,
    profile: SurveyProfile,
    todo: Sequence[Detection],
    positions: Mapping[str, tuple[float, float]],
) -> dict[str, str]:
    """Return the object of each detection by its id; new objects are written."""
    if not todo:
        return {}
    radius = profile.detection.association_radius_arcsec
    sky = np.array([positions[row.candidate_id] for row in todo])
    existing = candidates.objects_around(session, profile.name, sky[:, 0], sky[:, 1], radius)
    object_ids = [item.id for item in existing]
    object_sky = np.array([(item.ra_deg, item.dec_deg) for item in existing], dtype=float).reshape(
        -1, 2
    )
    joined: dict[str, str] = {}
    new: list[SkyObject] = []
    nights: list[str] = []
    # In order of significance, so that the brightest detection founds the object.
    for row, (ra_deg, dec_deg) in zip(todo, sky, strict=True):
        match = int(
            associate(
                np.array([ra_deg]),
                np.array([dec_deg]),
                object_sky[:, 0],
                object_sky[:, 1],
                radius,
            )[0]
        )
        if match >= 0:
            joined[row.id] = object_ids[match]
            continue
        object_id = ids.object_id(row.id)
        joined[row.id] = object_id
        object_ids.append(object_id)
        object_sky = np.vstack([object_sky, (ra_deg, dec_deg)])
        healpix = healpix_of(np.array([ra_deg]), np.array([dec_deg]))
        nights.append(row.night)
        new.append(
            SkyObject(
                id=object_id,
                survey=profile.name,
                ra_deg=float(ra_deg),
                dec_deg=float(dec_deg),
                healpix=int(healpix[0]),
                created_at=now(),
            )
        )
    names = new_object_names(session, nights)
    upsert(session, [replace(item, name=name) for item, name in zip(new, names, strict=True)])
    return joined


def draw_light_curves(
    session: Session, store: ObjectStore, survey: str, night: str
) -> dict[str, str]:
    """Draw the objects of a night that were seen most often until then.

    Later nights are left out, so that a repeated night gives the same pictures.

    Returns
    -------
    pictures
        Object keys by caption.
    """
    pictures: dict[str, str] = {}
    often = candidates.often_seen(session, survey, limit=SHOWN_OBJECTS, night=night)
    for object_id in often:
        points = [
            point
            for point in candidates.detections_of_object(session, object_id)
            if point.night <= night
        ]
        svg = light_curve_sparkline(
            [point.observed_mjd for point in points], [point.flux_e for point in points]
        )
        place = session.get_one(SkyObject, object_id)
        caption = f"light curve {place.name} {place.ra_deg:.5f} {place.dec_deg:+.5f}"
        pictures[caption] = keep_picture(store, survey, night, f"{object_id}-light-curve", svg)
    return pictures
