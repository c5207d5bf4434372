"""Detect on each difference of a night; score what is kept; join it into objects.

Every peak above the threshold becomes a candidate with its reasons; a candidate
without reasons becomes a detection with a cutout and a score. The score comes from
the deployed model, or, before there is one, from the S/N ranking, marked as such.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.pictures.thumbnails import score_picture
from astrid_assets.science.detection.candidate import RejectReason
from astrid_assets.science.detection.cutouts import cut
from astrid_assets.science.detection.ranking import snr_ranking
from astrid_assets.science.detection.sources import detect
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.quality.gates import candidate_density
from astrid_assets.steps import versions
from astrid_assets.steps.detections.objects import draw_light_curves, with_objects
from astrid_assets.steps.learning.cutout_version import refuse_other_cutouts
from astrid_assets.steps.learning.survey_calibrations import own_calibration
from astrid_assets.steps.learning.watching.night import watch_night
from astrid_assets.steps.nights import (
    NightPlan,
    NightReport,
    Tools,
    finish,
    hash_of,
    keep_picture,
    run_nights,
)
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.sky_index import healpix_of
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, DetectionScore
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.fits.differences import difference_from_fits
from astrid_assets.storage.fits.frames import frame_from_fits
from astrid_assets.storage.objects import layout
from astrid_assets.storage.queries import candidates, frames, gates, models
from astrid_assets.storage.review.carrying import carry_night
from astrid_assets.storage.review.views import refresh

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from astrid_assets.learning.inference import OnnxScorer
    from astrid_assets.learning.survey_calibration import OwnCalibration
    from astrid_assets.science.detection.candidate import Candidate
    from astrid_assets.science.detection.settings import DetectionSettings
    from astrid_assets.science.differencing.difference import Difference
    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.surveys.profile import SurveyProfile

ASSET = "detections"
PICTURES_PER_NIGHT = 1
PICTURE = "score with detections (yellow up, blue down)"


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


def detect_nights(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str], *, force: bool = False
) -> Iterator[NightReport]:
    """Search every accepted difference of the nights; one report each, in order."""

    def commit(plan: NightPlan[DetectTask], found: list[DetectOutcome]) -> NightReport:
        return _commit(tools, profile, plan, found)

    plans = _plans(tools, profile, nights)
    yield from run_nights(tools, profile, ASSET, plans, detect_frame, commit, force=force)


def _plans(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str]
) -> list[NightPlan[DetectTask]]:
    plans = []
    with tools.catalogue.read() as session:
        model = models.champion_of_survey(session, profile.name)
        if model is not None:
            refuse_other_cutouts(model)
        own = own_calibration(model, profile.name) if model else None
        held = gates.blocked_nights(session, profile.name, "difference_images")
        for night in nights:
            pairs = (
                []
                if night in held
                else frames.differences_with_frames(session, profile.name, night)
            )
            runs = [(run, frame_key) for run, frame_key in pairs if run.status == "accepted"]
            tasks = [
                DetectTask(
                    store=tools.store,
                    survey=profile.name,
                    night=night,
                    observation_id=run.observation_id,
                    difference_id=run.id,
                    difference_key=str(run.difference_key),
                    frame_key=frame_key,
                    settings=profile.detection,
                    model_id=model.id if model else None,
                    model_key=model.onnx_key if model else None,
                    calibration=own,
                    with_picture=number < PICTURES_PER_NIGHT,
                )
                for number, (run, frame_key) in enumerate(runs)
            ]
            input_hash = hash_of(
                versions.DETECT,
                [(task.difference_id, task.difference_key) for task in tasks],
                model.id if model else None,
                profile.detection,
                *([] if own is None else [asdict(own)]),
            )
            plans.append(NightPlan(night, tasks, input_hash))
    return plans


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
    buffer = io.BytesIO()
    np.save(buffer, cutouts)
    key = task.store.put(
        layout.cutouts_key(task.survey, task.night, task.observation_id),
        buffer.getvalue(),
        ".npy",
    )
    if task.model_key is None:
        scores = snr_ranking(np.array([candidate.score for candidate in kept]))
    else:
        scores = _scorer(task.store, task.model_key).score(cutouts)
        if task.calibration is not None:
            scores = task.calibration.scores(scores)
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


@lru_cache(maxsize=2)
def _scorer(store: ObjectStore, model_key: str) -> OnnxScorer:
    # onnxruntime is loaded only by workers that score with a model.
    from astrid_assets.learning.inference import OnnxScorer

    return OnnxScorer(store.get(model_key))


def _healpix(ra_deg: float | None, dec_deg: float | None) -> int | None:
    if ra_deg is None or dec_deg is None:
        return None
    return int(healpix_of(np.array([ra_deg]), np.array([dec_deg]))[0])


def _commit(
    tools: Tools,
    profile: SurveyProfile,
    plan: NightPlan[DetectTask],
    found: Sequence[DetectOutcome],
) -> NightReport:
    rows = [row for outcome in found for row in outcome.candidates]
    detections = [row for outcome in found for row in outcome.detections]
    report = _report(profile, plan.night, found)
    with tools.catalogue.begin() as session:
        candidates.retire(session, [task.difference_id for task in plan.tasks])
        upsert(session, rows)
        upsert(session, with_objects(session, profile, rows, detections))
        upsert(
            session,
            [
                DetectionScore(
                    detection_id=row.id, model_id=row.model_id, score=row.score, scored_at=now()
                )
                for row in detections
                if row.model_id is not None
            ],
        )
        # What reviewers said follows in the same transaction: no label is ever lost.
        refresh(session, carry_night(session, profile.name, plan.night))
        curves = draw_light_curves(session, tools.store, profile.name, report.night)
        report = replace(report, pictures=report.pictures | curves)
        if plan.tasks and plan.tasks[0].model_id is not None:
            drift = watch_night(session, profile.name, plan.night, plan.tasks[0].model_id)
            report = replace(report, verdicts=(*report.verdicts, *drift))
        finish(session, report, plan.input_hash)
    return report


def _report(profile: SurveyProfile, night: str, found: Sequence[DetectOutcome]) -> NightReport:
    rows = [row for outcome in found for row in outcome.candidates]
    kept = sum(row.is_kept for row in rows)
    reasons = {
        str(bit.name).lower(): sum(bool(row.reasons & bit) for row in rows) for bit in RejectReason
    }
    area = sum(outcome.area_deg2 for outcome in found)
    kinds = {row.score_kind for outcome in found for row in outcome.detections}
    summary: dict[str, object] = {
        "differences": len(found),
        "candidates": len(rows),
        "detections": kept,
        "positive": sum(row.is_kept and row.sign == 1 for row in rows),
        "rejected_because": {name: n for name, n in reasons.items() if n},
        "score_kind": "/".join(sorted(kinds)),
        "area_deg2": round(area, 6),
    }
    verdict = candidate_density(kept, area, profile.detection.max_density_deg2)
    shown = [outcome.picture_key for outcome in found if outcome.picture_key]
    pictures = {PICTURE: shown[0]} if shown else {}
    return NightReport(profile.name, night, ASSET, summary, (verdict,), pictures=pictures)
