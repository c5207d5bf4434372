"""The light curve of an object: forced fluxes where there are any, else detections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field
from sqlalchemy import select

from astrid_assets.pictures.light_curve_svg import LightPoint, light_curve_svg
from astrid_assets.storage.database.tables.detections import SkyObject
from astrid_assets.storage.database.tables.frames import PreprocessRun
from astrid_assets.storage.queries import candidates
from astrid_assets.storage.queries.light_curves import forced_light_curve

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MICROJANSKY_ZERO_POINT = 23.9  # AB magnitude of one microjansky


class CurvePoint(BaseModel):
    """The flux of an object against the reference, at one time."""

    observation_id: str
    night: str
    band: str
    observed_mjd: float
    flux_e: float = Field(description="electrons of its frame")
    flux_err_e: float
    flux_ujy: float | None = Field(description="None where the frame has no zero point")
    flux_err_ujy: float | None
    detection_id: str | None = Field(description="None: seen nothing, a limit")


class LightCurve(BaseModel):
    """All measurements at an object's position, in time order."""

    object_id: str
    name: str | None = Field(description="name of the object that can be read out")
    forced: bool = Field(description="True: measured on every frame; False: on detections only")
    points: list[CurvePoint]


def light_curve(session: Session, object_id: str) -> LightCurve:
    """Return what was measured at an object's position."""
    forced = forced_light_curve(session, object_id)
    seen = candidates.detections_of_object(session, object_id)
    measured = {point.observation_id for point in forced}
    points = [
        _point(
            point.observation_id,
            point.night,
            point.band,
            point.observed_mjd,
            point.flux_e,
            point.flux_err_e,
            point.zero_point_mag,
            point.detection_id,
        )
        for point in forced
        if point.is_usable or point.detection_id is not None
    ]
    zero_points = _zero_points(session, {row.observation_id for row in seen})
    points += [
        _point(
            row.observation_id,
            row.night,
            row.band,
            row.observed_mjd,
            row.flux_e,
            row.flux_err_e,
            zero_points.get(row.observation_id),
            row.detection_id,
        )
        for row in seen
        if row.observation_id not in measured
    ]
    points.sort(key=lambda point: (point.observed_mjd, point.observation_id))
    name = session.scalar(select(SkyObject.name).where(SkyObject.id == object_id))
    return LightCurve(object_id=object_id, name=name, forced=bool(forced), points=points)


def drawn(curve: LightCurve, marked: str | None = None) -> bytes:
    """Return the light curve as SVG, with one detection marked.

    In microjansky where every frame has a zero point, else in electrons of the
    frames, which differ from frame to frame.
    """
    in_ujy = all(point.flux_ujy is not None for point in curve.points)
    unit = "µJy (if AB)" if in_ujy else "electrons"
    return light_curve_svg(
        [
            LightPoint(
                point.observed_mjd,
                _known(point.flux_ujy) if in_ujy else point.flux_e,
                _known(point.flux_err_ujy) if in_ujy else point.flux_err_e,
                point.band,
                is_detection=point.detection_id is not None,
                is_marked=point.detection_id is not None and point.detection_id == marked,
            )
            for point in curve.points
        ],
        unit,
    )


def _known(value: float | None) -> float:
    if value is None:
        raise ValueError("a flux without a zero point has no microjansky")
    return value


def _point(
    observation_id: str,
    night: str,
    band: str,
    observed_mjd: float,
    flux_e: float,
    flux_err_e: float,
    zero_point_mag: float | None,
    detection_id: str | None,
) -> CurvePoint:
    scale = None
    if zero_point_mag is not None:
        scale = 10 ** (0.4 * (MICROJANSKY_ZERO_POINT - zero_point_mag))
    return CurvePoint(
        observation_id=observation_id,
        night=night,
        band=band,
        observed_mjd=observed_mjd,
        flux_e=flux_e,
        flux_err_e=flux_err_e,
        flux_ujy=None if scale is None else flux_e * scale,
        flux_err_ujy=None if scale is None else flux_err_e * scale,
        detection_id=detection_id,
    )


def _zero_points(session: Session, observation_ids: set[str]) -> dict[str, float]:
    query = select(PreprocessRun.observation_id, PreprocessRun.zero_point_mag).where(
        PreprocessRun.observation_id.in_(observation_ids),
        PreprocessRun.zero_point_mag.is_not(None),
    )
    return {row[0]: float(row[1] or 0) for row in session.execute(query)}
