"""Objects: detections of the same position on the sky, joined and drawn over time."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.surveys.profile import SurveyProfile

Row = dict[str, object]
SHOWN_OBJECTS = 3


def assign_objects(
    session: Session,
    profile: SurveyProfile,
    candidate_rows: Sequence[Row],
    detections: Sequence[Row],
) -> None:
    """Give each detection the object at its position, making new ones where none is.

    Detections known before keep their object, so a repeated night changes nothing.
    Detections without coordinates stay alone. Fills ``object_id`` in `detections`.
    """
    places = {
        row["id"]: (float(str(row["ra_deg"])), float(str(row["dec_deg"])))
        for row in candidate_rows
        if row["ra_deg"] is not None
    }
    known = candidates.object_ids(session, [str(row["id"]) for row in detections])
    todo: list[Row] = []
    for row in detections:
        row["object_id"] = known.get(str(row["id"]))
        if row["object_id"] is None and row["candidate_id"] in places:
            todo.append(row)
    if not todo:
        return

    radius = profile.detection.association_radius_arcsec
    sky = np.array([places[row["candidate_id"]] for row in todo])
    existing = candidates.objects_around(session, profile.name, sky[:, 0], sky[:, 1], radius)
    object_ids = [item.id for item in existing]
    object_sky = np.array([(item.ra_deg, item.dec_deg) for item in existing], dtype=float).reshape(
        -1, 2
    )
    new: list[Row] = []
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
            row["object_id"] = object_ids[match]
            continue
        object_id = ids.object_id(str(row["id"]))
        row["object_id"] = object_id
        object_ids.append(object_id)
        object_sky = np.vstack([object_sky, (ra_deg, dec_deg)])
        healpix = healpix_of(np.array([ra_deg]), np.array([dec_deg]))
        new.append(
            {
                "id": object_id,
                "survey": profile.name,
                "ra_deg": float(ra_deg),
                "dec_deg": float(dec_deg),
                "healpix": int(healpix[0]),
                "created_at": now(),
            }
        )
    upsert(session, SkyObject, new)


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
        caption = f"light curve {place.ra_deg:.5f} {place.dec_deg:+.5f}"
        pictures[caption] = keep_picture(store, survey, night, f"{object_id}-light-curve", svg)
    return pictures
