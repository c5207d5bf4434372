"""Objects with their light curves, and the explanation of a place."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query

from astrid_assets.storage import candidates, light_curves
from astrid_assets.storage.tables import SkyObject
from astrid_assets.web.api.common import Night, State, SurveyName, night_text, text_id
from astrid_assets.web.problems import not_found, responses
from astrid_assets.web.schemas import (
    ExplanationOut,
    Id,
    LightCurveOut,
    ObjectOut,
    PointOut,
)

if TYPE_CHECKING:
    from astrid_assets.storage.light_curves import ForcedPoint

router = APIRouter(tags=["sky"])

LIMIT_SIGMA = 5.0
SEEN_SIGMA = 3.0  # fainter, a limit says more than a magnitude
MAG_PER_RELATIVE_ERROR = 2.5 / math.log(10)


@router.get("/objects/{object_id}", responses=responses(404, 422))
def sky_object(state: State, object_id: Id) -> ObjectOut:
    """Return an object: detections of one place on the sky."""
    with state.catalogue.read() as session:
        found = session.get(SkyObject, text_id(object_id))
    if found is None:
        raise not_found("object", text_id(object_id))
    return ObjectOut.model_validate(found)


@router.get("/objects/{object_id}/lightcurve", responses=responses(404, 422))
def light_curve(state: State, object_id: Id) -> LightCurveOut:
    """Return the fluxes at an object's place, with limits where nothing is seen."""
    id_ = text_id(object_id)
    with state.catalogue.read() as session:
        found = session.get(SkyObject, id_)
        if found is None:
            raise not_found("object", id_)
        forced = light_curves.forced_light_curve(session, id_)
        seen = candidates.light_curve(session, id_)
    points = [_forced(point) for point in forced]
    measured = {point.observation_id for point in forced}
    points += [
        PointOut(
            observation_id=row.observation_id,
            detection_id=row.detection_id,
            night=row.night,
            band=row.band,
            observed_mjd=row.observed_mjd,
            flux_e=row.flux_e,
            flux_err_e=row.flux_err_e,
            mag=row.mag,
            mag_err=row.mag_err,
            limit_mag=None,
            is_forced=False,
            is_usable=True,
        )
        for row in seen
        if row.observation_id not in measured
    ]
    points.sort(key=lambda point: (point.observed_mjd, point.observation_id))
    return LightCurveOut(object=ObjectOut.model_validate(found), points=points)


@router.get("/explain", responses=responses(422, 503))
def explanation(
    state: State,
    ra: Annotated[float, Query(ge=0, le=360, description="degrees")],
    dec: Annotated[float, Query(ge=-90, le=90, description="degrees")],
    date: Night = None,
    survey: SurveyName = None,
) -> ExplanationOut:
    """Say for each frame at a place what it shows there, and why.

    Covered or not, which reference, masked by what, S_corr and flux there, the
    candidates and the exact reason each was dropped or kept.
    """
    from astrid_assets.steps.explain import explain

    found = explain(state.catalogue, state.store, survey, ra, dec, night_text(date))
    return ExplanationOut.model_validate(found)


def _forced(point: ForcedPoint) -> PointOut:
    zero, flux, error = point.zero_point_mag, point.flux_e, point.flux_err_e
    is_seen = abs(flux) >= SEEN_SIGMA * error > 0
    mag = limit = None
    if zero is not None and is_seen:
        mag = zero - 2.5 * math.log10(abs(flux))
    elif zero is not None and error > 0 and point.is_usable:
        limit = zero - 2.5 * math.log10(LIMIT_SIGMA * error)
    return PointOut(
        observation_id=point.observation_id,
        detection_id=point.detection_id,
        night=point.night,
        band=point.band,
        observed_mjd=point.observed_mjd,
        flux_e=flux,
        flux_err_e=error,
        mag=mag,
        mag_err=MAG_PER_RELATIVE_ERROR * error / abs(flux) if mag is not None else None,
        limit_mag=limit,
        is_forced=True,
        is_usable=point.is_usable,
    )
