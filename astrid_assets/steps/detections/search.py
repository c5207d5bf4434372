"""Search one difference: every peak a candidate, every kept one a detection with its score.

Every peak above the threshold becomes a candidate with its reasons; a candidate
without reasons becomes a detection with a cutout and a score. The score comes from
the deployed model, or, before there is one, from the S/N ranking, marked as such.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.pictures.thumbnails import score_picture
from astrid_assets.science.detection.cutouts import cut
from astrid_assets.science.detection.measurements import stacked
from astrid_assets.science.detection.ranking import snr_ranking
from astrid_assets.science.detection.sources import detect
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.steps.detections.scoring import model_scores
from astrid_assets.steps.nights import keep_picture
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.sky_index import healpix_of
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection
from astrid_assets.storage.fits.differences import difference_from_fits
from astrid_assets.storage.fits.frames import frame_from_fits
from astrid_assets.storage.objects import layout
from astrid_assets.storage.objects.cutout_files import MeasuredCutouts, cutout_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.learning.survey_calibration import OwnCalibration
    from astrid_assets.science.detection.candidate import Candidate
    from astrid_assets.science.detection.settings import DetectionSettings
    from astrid_assets.science.differencing.difference import Difference
    from astrid_assets.storage.objects.object_store import ObjectStore


@dataclass(frozen=True)
class DetectTask:
    """One difference to search; travels to a worker process."""

    store: ObjectStore
    survey: str
    night: str
    observation_id: str
    difference_id: str
    difference_key: str
    frame_key: str
    settings: DetectionSettings
    model_id: str | None
    model_key: str | None
    calibration: OwnCalibration | None = None
    """The survey's own; None: the model's common one."""
    with_picture: bool = False


@dataclass(frozen=True)
class DetectOutcome:
    """Rows of one difference, and its numbers for the report."""

    candidates: list[CandidateRow]
    detections: list[Detection]
    area_deg2: float
    picture_key: str | None = None


def detect_frame(task: DetectTask) -> DetectOutcome:
    """Search one difference, keep the cutouts, return the catalogue rows."""
    difference = difference_from_fits(task.store.get(task.difference_key))
    science = frame_from_fits(task.store.get(task.frame_key), with_variance=False)
    found = detect(difference, science, task.settings)
    kept = [candidate for candidate in found if candidate.reasons == 0]
    rows = [_candidate_row(task.difference_id, candidate) for candidate in found]
    area = float(difference.area_deg2)
    picture = _picture(task, difference, kept) if task.with_picture else None
    if not kept:
        return DetectOutcome(rows, [], area, picture)

    cutouts = cut(science, difference, kept)
    measured = stacked(kept)
    key = task.store.put(
        layout.cutouts_key(task.survey, task.night, task.observation_id),
        cutout_file(cutouts, measured),
        ".npy",
    )
    if task.model_key is None:
        scores = snr_ranking(np.array([candidate.score for candidate in kept]))
    else:
        scores = model_scores(
            task.store, task.model_key, task.calibration, MeasuredCutouts(cutouts, measured)
        )
    # One time for all: it distinguishes one run from another.
    detected_at = now()
    detections = [
        Detection(
            id=ids.detection_id(row.id),
            candidate_id=row.id,
            observation_id=task.observation_id,
            survey=task.survey,
            night=task.night,
            cutout_key=key,
            cutout_index=index,
            score=float(scores[index]),
            score_kind="snr_ranking" if task.model_id is None else "model",
            model_id=task.model_id,
            detected_at=detected_at,
        )
        for index, row in enumerate(row for row in rows if row.is_kept)
    ]
    return DetectOutcome(rows, detections, area, picture)


def _candidate_row(difference_id: str, candidate: Candidate) -> CandidateRow:
    return CandidateRow(
        id=ids.candidate_id(difference_id, candidate.sign, candidate.peak_x, candidate.peak_y),
        difference_id=difference_id,
        is_current=True,
        score_sigma=candidate.score,
        healpix=_healpix(candidate.ra_deg, candidate.dec_deg),
        mask_bits=int(candidate.mask_bits),
        reasons=int(candidate.reasons),
        is_kept=candidate.reasons == 0,
        peak_x=candidate.peak_x,
        peak_y=candidate.peak_y,
        x=candidate.x,
        y=candidate.y,
        ra_deg=candidate.ra_deg,
        dec_deg=candidate.dec_deg,
        sign=candidate.sign,
        flux_e=candidate.flux_e,
        flux_err_e=candidate.flux_err_e,
        aperture_flux_e=candidate.aperture_flux_e,
        aperture_flux_err_e=candidate.aperture_flux_err_e,
        mag=candidate.mag,
        mag_err=candidate.mag_err,
        fwhm_px=candidate.fwhm_px,
        elongation=candidate.elongation,
    )


def _picture(task: DetectTask, difference: Difference, kept: Sequence[Candidate]) -> str:
    marks = [(candidate.x, candidate.y, candidate.sign) for candidate in kept]
    png = score_picture(difference.score, difference.mask & UNUSABLE, marks=marks)
    name = f"{task.observation_id}-score"
    return keep_picture(task.store, task.survey, task.night, name, png)


def _healpix(ra_deg: float | None, dec_deg: float | None) -> int | None:
    if ra_deg is None or dec_deg is None:
        return None
    return int(healpix_of(np.array([ra_deg]), np.array([dec_deg]))[0])
