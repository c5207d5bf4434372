"""Why is there a detection at this position, or why not: one answer per frame.

`explain` finds the frames around a position in the catalogue, reads only the pixels
in question, and says for each frame what it shows there and what kept or dropped it.
The words are in `words`; nothing is computed again or changed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.science.detection.candidate import reason_names
from astrid_assets.science.mask_bits import mask_names
from astrid_assets.science.quality.difference_numbers import DIFFERENCE_NUMBERS
from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.science.reasons import current_code
from astrid_assets.steps.explain import words
from astrid_assets.steps.explain.explanation import (
    CandidateThere,
    Explanation,
    FrameExplanation,
    ReasonSaid,
    SubtractionNumbers,
)
from astrid_assets.storage.fits.stamps import difference_there, frame_there
from astrid_assets.storage.queries import coverage
from astrid_assets.surveys.profile import SurveyProfile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.database.tables.detections import DifferenceRun
    from astrid_assets.storage.database.tables.frames import PreprocessRun
    from astrid_assets.storage.database.tables.nights import GateVerdict
    from astrid_assets.storage.fits.stamps import DifferenceThere, Place
    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.storage.queries.coverage import FoundThere, FrameHistory

MATCH_FWHM = 1.0
"""A candidate within this many FWHM of the position is what was asked for."""

MIN_MATCH_PX = 2.0
LIMIT_SIGMA = 5.0  # of the limiting magnitude
MAX_FRAMES = 500  # read at once: some ten seconds


@dataclass(frozen=True)
class _Seen:
    """A frame with what its files show at the position."""

    history: FrameHistory
    place: Place | None
    frame_mask: int | None
    difference: DifferenceThere | None
    radius_px: float


def explain(
    catalogue: Catalogue,
    store: ObjectStore,
    survey: str | None,
    ra_deg: float,
    dec_deg: float,
    date: str | None = None,
    *,
    max_frames: int = MAX_FRAMES,
) -> Explanation:
    """Say for each frame around a position what it shows there, and why.

    Parameters
    ----------
    survey
        Only its frames; None: those of all surveys.
    date
        Only this night.
    max_frames
        The newest are taken when there are more.

    Raises
    ------
    StoreError
        If a file that the catalogue names cannot be read.
    ProfileError
        If the stored profile of a survey is no longer valid.
    """
    with catalogue.read() as session:
        around = coverage.frames_around(session, ra_deg, dec_deg, survey, date)
        fields = {(f.observation.survey, f.observation.field) for f in around}
        around += coverage.frames_without_place(session, fields, date)
        around.sort(key=lambda f: (f.observation.observed_mjd or 0, f.observation.id))
        left_out = max(len(around) - max_frames, 0)
        around = around[left_out:]
        profiles = _profiles(session, {f.observation.survey for f in around})
        held = coverage.held_back_nights(session, profiles)
    seen = [_see(store, frame, ra_deg, dec_deg) for frame in around]
    reach = max((_reach_arcsec(item) for item in seen), default=0.0)
    there: dict[str, list[FoundThere]] = {}
    if reach > 0:
        with catalogue.read() as session:
            found = coverage.candidates_around(
                session,
                [s.history.difference.id for s in seen if s.history.difference],
                ra_deg,
                dec_deg,
                reach,
            )
        for item in found:
            there.setdefault(item.candidate.difference_id, []).append(item)
    frames = [
        _explained(
            item,
            _candidates(item, there),
            held.get((item.history.observation.survey, item.history.observation.night)),
            profiles[item.history.observation.survey],
        )
        for item in seen
    ]
    return Explanation(
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        survey=survey,
        date=date,
        sentence=words.outcome_counts([frame.outcome for frame in frames]),
        frames=frames,
        n_left_out=left_out,
    )


def _profiles(session: Session, surveys: set[str]) -> dict[str, SurveyProfile]:
    return {
        name: SurveyProfile.from_toml(text, where=f"profile of {name}")
        for name, text in coverage.profiles(session, surveys).items()
    }


def _see(store: ObjectStore, history: FrameHistory, ra_deg: float, dec_deg: float) -> _Seen:
    run, difference = history.run, history.difference
    radius = max(MATCH_FWHM * (run.fwhm_px or 0 if run else 0), MIN_MATCH_PX)
    if difference is not None and difference.difference_key is not None:
        content = store.get(difference.difference_key)
        there = difference_there(content, ra_deg, dec_deg, radius)
        return _Seen(history, there.place, None, there, radius)
    if run is not None and run.frame_key is not None:
        place, mask = frame_there(store.get(run.frame_key), ra_deg, dec_deg)
        return _Seen(history, place, mask, None, radius)
    return _Seen(history, None, None, None, radius)


def _reach_arcsec(item: _Seen) -> float:
    if item.place is None or item.place.scale_arcsec is None:
        return 0.0
    # Pixels need not be square: half as much again covers the circle.
    return 1.5 * item.radius_px * item.place.scale_arcsec


def _candidates(item: _Seen, there: Mapping[str, Sequence[FoundThere]]) -> list[CandidateThere]:
    run, place = item.history.difference, item.place
    if run is None or place is None or place.x is None or place.y is None:
        return []
    found = []
    for row in there.get(run.id, ()):
        candidate, detection = row.candidate, row.detection
        distance = math.hypot(candidate.x - place.x, candidate.y - place.y)
        if distance > item.radius_px:
            continue
        found.append(
            CandidateThere(
                candidate_id=candidate.id,
                detection_id=detection.id if detection else None,
                object_id=detection.object_id if detection else None,
                distance_px=distance,
                sign=candidate.sign,
                score_sigma=candidate.score_sigma,
                flux_e=candidate.flux_e,
                flux_err_e=candidate.flux_err_e,
                aperture_flux_e=candidate.aperture_flux_e,
                aperture_flux_err_e=candidate.aperture_flux_err_e,
                mag=candidate.mag,
                is_kept=candidate.is_kept,
                reasons=reason_names(candidate.reasons),
                score=detection.score if detection else None,
                score_kind=detection.score_kind if detection else None,
                label=row.label.label if row.label else None,
                name=detection.name if detection else None,
                carried_from=row.label.carried_from if row.label else None,
            )
        )
    return sorted(found, key=lambda c: (not c.is_kept, c.distance_px, c.candidate_id))


def _explained(
    item: _Seen,
    candidates: list[CandidateThere],
    held: Sequence[GateVerdict] | None,
    profile: SurveyProfile,
) -> FrameExplanation:
    observation, run = item.history.observation, item.history.run
    difference, reference = item.history.difference, item.history.reference
    there, place = item.difference, item.place
    threshold = profile.detection.threshold_sigma
    mask = there.mask_bits if there else item.frame_mask
    flux_err = there.flux_err_e if there else None
    score = there.score_sigma if there else None
    flux = score * flux_err if score is not None and flux_err is not None else None
    zero_point = there.zero_point_mag if there else None
    facts = words.Facts(
        status=observation.status,
        frame_reasons=_said([observation.reason]) + _said(run.reasons if run else []),
        is_processed=run is not None,
        is_covered=None if place is None or place.scale_arcsec is None else place.is_inside,
        has_difference=difference is not None,
        difference_reasons=_said(difference.reasons if difference else []),
        masked_by=mask_names(mask or 0),
        is_usable=words.is_usable(mask),
        held_back_by=[words.gate(verdict) for verdict in held or ()],
        peak_sigma=there.peak_sigma if there else None,
        threshold_sigma=threshold,
        candidates=candidates,
    )
    outcome, sentence = words.verdict(facts)
    return FrameExplanation(
        observation_id=observation.id,
        survey=observation.survey,
        night=observation.night,
        field=observation.field,
        band=observation.band,
        source_path=observation.source_path,
        observed_mjd=observation.observed_mjd,
        outcome=outcome,
        sentence=sentence,
        is_covered=facts.is_covered,
        x=place.x if place else None,
        y=place.y if place else None,
        reference_id=reference.id if reference else None,
        reference_version=reference.version if reference else None,
        reference_last_night=reference.last_night if reference else None,
        frame_reasons=facts.frame_reasons,
        frame_flags=_said(run.flags if run else []),
        difference_reasons=facts.difference_reasons,
        difference_flags=_said(difference.flags if difference else []),
        numbers=words.numbers(FRAME_NUMBERS, run, profile.processing) if run else [],
        subtraction=_subtraction(difference, profile) if difference else None,
        masked_by=facts.masked_by,
        score_sigma=score,
        peak_sigma=facts.peak_sigma,
        threshold_sigma=threshold,
        flux_e=flux,
        flux_err_e=flux_err,
        mag=_magnitude(flux, zero_point),
        limit_mag=_magnitude(LIMIT_SIGMA * flux_err if flux_err else None, zero_point),
        fwhm_px=_fwhm(run),
        candidates=candidates,
        held_back_by=facts.held_back_by,
    )


def _subtraction(run: DifferenceRun, profile: SurveyProfile) -> SubtractionNumbers:
    return SubtractionNumbers(
        method=run.method,
        numbers=words.numbers(DIFFERENCE_NUMBERS, run, profile.differencing),
        noise_factor=run.noise_factor,
        method_difference=(run.cross_check or {}).get("star_difference"),
    )


def _fwhm(run: PreprocessRun | None) -> float | None:
    return run.fwhm_px if run else None


def _said(reasons: Sequence[object]) -> list[ReasonSaid]:
    return [
        ReasonSaid(
            current_code(str(reason["code"]), reason.get("measurements") or {}),
            str(reason["message"]),
        )
        for reason in reasons
        if isinstance(reason, dict)
    ]


def _magnitude(flux_e: float | None, zero_point_mag: float | None) -> float | None:
    if flux_e is None or flux_e <= 0 or zero_point_mag is None:
        return None
    return zero_point_mag - 2.5 * math.log10(flux_e)
