"""Detections with everything that is shown of them, in one query and one row each."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, DifferenceRun
from astrid_assets.storage.database.tables.frames import Observation, PreprocessRun

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy import Select
    from sqlalchemy.orm import InstrumentedAttribute


@dataclass(frozen=True)
class DetectionRow:
    """A detection, its candidate and its frame.

    `x`, `y` in pixels of the processed frame; `score_sigma` is S_corr; `flux_e` the
    PSF flux in electrons against the reference, negative where `sign` is -1, and
    `aperture_flux_e` that within 1.5 FWHM; `fwhm_px` that of the frame's stars,
    `candidate_fwhm_px` that of the source.
    """

    detection_id: str
    candidate_id: str
    difference_id: str
    observation_id: str
    object_id: str | None
    name: str | None
    survey: str
    night: str
    field: str
    band: str
    observed_mjd: float
    exposure_s: float
    source_path: str
    x: float
    y: float
    ra_deg: float | None
    dec_deg: float | None
    score_sigma: float
    sign: int
    flux_e: float
    flux_err_e: float
    aperture_flux_e: float | None
    aperture_flux_err_e: float | None
    mag: float | None
    mag_err: float | None
    candidate_fwhm_px: float | None
    elongation: float | None
    mask_bits: int
    fwhm_px: float
    quality_score: float | None
    limiting_mag: float | None
    cutout_key: str
    cutout_index: int
    score: float
    score_kind: str
    model_id: str | None
    detected_at: dt.datetime


SOURCES: dict[str, InstrumentedAttribute[Any]] = {
    "detection_id": Detection.id,
    "difference_id": DifferenceRun.id,
    "field": Observation.field,
    "band": Observation.band,
    "observed_mjd": Observation.observed_mjd,
    "exposure_s": Observation.exposure_s,
    "source_path": Observation.source_path,
    "candidate_fwhm_px": CandidateRow.fwhm_px,
    "fwhm_px": PreprocessRun.fwhm_px,
    "quality_score": PreprocessRun.quality_score,
    "limiting_mag": DifferenceRun.limiting_mag,
}
"""Where a column comes from, unless its name says so: detection, else candidate."""

BY_TIME = (
    Observation.observed_mjd.nulls_last(),
    Observation.id,
    CandidateRow.score_sigma.desc(),
    Detection.id,
)


def column_of(name: str) -> InstrumentedAttribute[Any]:
    """Return the column behind a field of `DetectionRow`."""
    if name in SOURCES:
        return SOURCES[name]
    return getattr(Detection if hasattr(Detection, name) else CandidateRow, name)


COLUMNS = tuple(column_of(f.name).label(f.name) for f in fields(DetectionRow))


def select_detections(*more: InstrumentedAttribute[Any]) -> Select[*tuple[Any, ...]]:
    """Return the query for current detections: columns of `DetectionRow`, then more.

    Current: the candidate was found by the newest detection run on the current
    difference of its frame.
    """
    return (
        select(*COLUMNS, *more)
        .join(CandidateRow, Detection.candidate_id == CandidateRow.id)
        .join(DifferenceRun, CandidateRow.difference_id == DifferenceRun.id)
        .join(Observation, Detection.observation_id == Observation.id)
        .join(PreprocessRun, PreprocessRun.observation_id == Observation.id)
        .where(CandidateRow.is_current, DifferenceRun.is_current)
    )
