"""Objects with their light curves, and the explanation of a position."""

from __future__ import annotations

import math
from typing import Annotated

from fastapi import APIRouter, Query

from astrid_assets.steps.explain.explanation import (
    Explanation,  # noqa: TC001  FastAPI reads the annotation
)
from astrid_assets.storage.database.tables.detections import SkyObject
from astrid_assets.storage.queries.naming import position_of
from astrid_assets.web.api.common import Night, ObjectId, State, SurveyName, night_text, text_id
from astrid_assets.web.problems import Problem, not_found, responses
from astrid_assets.web.schemas import (
    LightCurveOut,
    ObjectOut,
    PointOut,
    Text,
)
from astrid_assets.web.views.light_curve import (
    MICROJANSKY_ZERO_POINT,
    CurvePoint,
    light_curve,
)

router = APIRouter(tags=["sky"])

LIMIT_SIGMA = 5.0
SEEN_SIGMA = 3.0  # fainter, a limit says more than a magnitude
MAG_PER_RELATIVE_ERROR = 2.5 / math.log(10)


@router.get("/objects/{object_id}", responses=responses(404, 422))
def sky_object(state: State, object_id: ObjectId) -> ObjectOut:
    """Return an object: detections of one position on the sky."""
    with state.catalogue.read() as session:
        found = session.get(SkyObject, text_id(object_id))
    if found is None:
        raise not_found("object", text_id(object_id))
    return ObjectOut.model_validate(found)


@router.get("/objects/{object_id}/lightcurve", responses=responses(404, 422))
def object_light_curve(state: State, object_id: ObjectId) -> LightCurveOut:
    """Return the fluxes at an object's position, with limits where nothing is seen.

    Forced photometry on every frame where it was measured, else detections only.
    """
    id_ = text_id(object_id)
    with state.catalogue.read() as session:
        found = session.get(SkyObject, id_)
        if found is None:
            raise not_found("object", id_)
        curve = light_curve(session, id_)
    return LightCurveOut(
        object=ObjectOut.model_validate(found),
        is_forced=curve.forced,
        points=[_told(point) for point in curve.points],
    )


@router.get("/explain", responses=responses(404, 422, 503))
def explanation(
    state: State,
    ra: Annotated[
        float | None, Query(ge=0, le=360, description="Right ascension in degrees (ICRS).")
    ] = None,
    dec: Annotated[
        float | None, Query(ge=-90, le=90, description="Declination in degrees (ICRS).")
    ] = None,
    name: Annotated[
        Text | None, Query(description="Name of an object or a detection, in place of ra and dec.")
    ] = None,
    date: Night = None,
    survey: SurveyName = None,
) -> Explanation:
    """Say for each frame at a position what it shows there, and why.

    Covered or not, which reference, masked by what, S_corr and flux there, the
    candidates and the exact reason each was dropped or kept.
    """
    from astrid_assets.steps.explain.explain import explain

    place = None if ra is None or dec is None else (ra, dec)
    if (name is None) == (place is None) or (ra is None) != (dec is None):
        wrong = "a position takes both ra and dec, in degrees, or a name alone"
        raise Problem(422, wrong, code="invalid")
    if name is not None:
        with state.catalogue.read() as session:
            place = position_of(session, name)
    if place is None:
        raise not_found("object or detection", str(name))
    return explain(state.catalogue, state.store, survey, *place, night_text(date))


def _told(point: CurvePoint) -> PointOut:
    flux, error = point.flux_ujy, point.flux_err_ujy
    mag = mag_err = limit = None
    if flux is not None and error is not None and error > 0:
        if abs(flux) >= SEEN_SIGMA * error:
            mag = MICROJANSKY_ZERO_POINT - 2.5 * math.log10(abs(flux))
            mag_err = MAG_PER_RELATIVE_ERROR * error / abs(flux)
        else:
            limit = MICROJANSKY_ZERO_POINT - 2.5 * math.log10(LIMIT_SIGMA * error)
    return PointOut(**point.model_dump(), mag=mag, mag_err=mag_err, limit_mag=limit)
