"""Measure completeness: artificial transients in some frames of every night.

The injected frame goes through the same subtraction and detection as the real one,
and is thrown away; only what became of each transient is kept, apart from real
detections. Seeds come from the difference, so a rerun injects the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.pictures.plots import completeness_curve
from astrid_assets.science.detection.sources import detect
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.errors import ScienceError
from astrid_assets.science.injection import (
    SNR_EDGES,
    extended_sources,
    half_found_snr,
    inject,
    plan_injections,
    recover,
)
from astrid_assets.science.quality.gates import completeness
from astrid_assets.steps import versions
from astrid_assets.steps.nights import (
    NightReport,
    Tools,
    finish,
    hash_of,
    keep_picture,
    unchanged_report,
)
from astrid_assets.storage import frames, gates, light_curves
from astrid_assets.storage.catalogue import upsert
from astrid_assets.storage.frame_store import (
    difference_from_fits,
    frame_from_fits,
    stars_from_fits,
)
from astrid_assets.storage.tables import InjectedTransient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from astrid_assets.science.injection import Injections, Recovery
    from astrid_assets.storage.object_store import ObjectStore
    from astrid_assets.surveys.profile import SurveyProfile

ASSET = "injected_transients"
PICTURE = "injected transients: fraction found by theoretical S/N"
GATE_SNR = (10.0, 20.0)
"""S/N between which the gate counts: bright enough that noise loses none."""

Row = dict[str, object]


@dataclass(frozen=True)
class InjectTask:
    """One frame to inject into; travels to a worker process."""

    store: ObjectStore
    profile: SurveyProfile
    difference_id: str
    difference_key: str
    frame_key: str
    reference_key: str


@dataclass(frozen=True)
class InjectOutcome:
    """What became of the transients of one frame, or why there is nothing to say."""

    rows: list[Row]
    others: int = 0
    limit_mag: float | None = None
    failure: str | None = None


def inject_nights(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str], *, force: bool = False
) -> Iterator[NightReport]:
    """Measure the completeness of the nights; one report per night, in order."""
    tasks: dict[str, list[InjectTask]] = {}
    hashes: dict[str, str] = {}
    done: dict[str, NightReport] = {}
    with tools.catalogue.read() as session:
        held = gates.held_back(session, profile.name, "difference_images")
    for night in nights:
        tasks[night] = [] if night in held else _tasks(tools, profile, night)
        hashes[night] = hash_of(
            versions.INJECT,
            [(t.difference_key, t.frame_key, t.reference_key) for t in tasks[night]],
            profile.injection,
            profile.differencing,
            profile.detection,
        )
        with tools.catalogue.read() as session:
            before = unchanged_report(
                session, profile.name, night, ASSET, hashes[night]
            )
        if before and not force:
            done[night] = before
    todo = [task for night in nights if night not in done for task in tasks[night]]
    outcomes = iter(tools.compute.map(inject_into_frame, todo))
    for night in nights:
        if night in done:
            yield done[night]
            continue
        found = [next(outcomes) for _ in tasks[night]]
        report = _report(tools, profile, night, found)
        with tools.catalogue.begin() as session:
            light_curves.forget_injections(
                session, [task.difference_id for task in tasks[night]]
            )
            rows = [row for outcome in found for row in outcome.rows]
            upsert(session, InjectedTransient, rows)
            finish(session, report, hashes[night])
        yield report


def _tasks(tools: Tools, profile: SurveyProfile, night: str) -> list[InjectTask]:
    """Take the first accepted differences of each field and band."""
    if profile.injection.per_frame == 0:
        return []
    tasks = []
    taken: dict[tuple[str, str], int] = {}
    with tools.catalogue.read() as session:
        pairs = frames.differences_with_frames(session, profile.name, night)
        keys = {run.id: key for run, key in pairs}
        for observation, run in frames.current_differences_of_night(
            session, profile.name, night
        ):
            group = observation.field, observation.band
            if run.status != "accepted" or run.id not in keys:
                continue
            if taken.get(group, 0) >= profile.injection.frames_per_night:
                continue
            choice = frames.night_reference(session, profile.name, night, *group)
            reference = frames.reference_of(session, choice)
            if reference is None or reference.id != run.reference_id:
                continue
            taken[group] = taken.get(group, 0) + 1
            tasks.append(
                InjectTask(
                    store=tools.store, profile=profile, difference_id=run.id,
                    difference_key=str(run.difference_key), frame_key=keys[run.id],
                    reference_key=reference.frame_key,
                )
            )  # fmt: skip
    return tasks


def inject_into_frame(task: InjectTask) -> InjectOutcome:
    """Inject, subtract, detect and compare, for one frame."""
    profile = task.profile
    content = task.store.get(task.frame_key)
    science, stars = frame_from_fits(content), stars_from_fits(content)
    reference = frame_from_fits(task.store.get(task.reference_key))
    real = difference_from_fits(task.store.get(task.difference_key))
    if science.psf is None:
        return InjectOutcome([], failure=f"{science.frame_id} has no PSF")
    fwhm = science.psf.fwhm_px
    rng = np.random.default_rng(int(hash_of("injection", task.difference_id)[:15], 16))
    planned = plan_injections(
        rng, science, real, extended_sources(stars, fwhm), profile.injection
    )
    changed = inject(rng, science, planned)
    try:
        difference = subtract(changed, reference, profile.differencing)
        found = detect(difference, changed, profile.detection)
    except ScienceError as error:
        return InjectOutcome([], failure=str(error))
    recovery = recover(planned, found, fwhm)
    kept = sum(candidate.is_kept for candidate in found)
    return InjectOutcome(
        _rows(task.difference_id, planned, recovery),
        others=kept - int(recovery.found.sum()),
        limit_mag=_limit(real.zero_point_mag, real.flux_err, planned, recovery),
    )


def _limit(
    zero_point_mag: float | None, flux_err: NDArray[np.float32],
    planned: Injections, recovery: Recovery,
) -> float | None:  # fmt: skip
    """Magnitude at which half of the transients are found."""
    half = half_found_snr(planned.snr, recovery.found)
    if half is None or zero_point_mag is None:
        return None
    return zero_point_mag - 2.5 * float(np.log10(half * float(np.median(flux_err))))


def _rows(difference_id: str, planned: Injections, recovery: Recovery) -> list[Row]:
    def or_none(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    return [
        {
            "difference_id": difference_id,
            "number": i,
            "x": float(planned.x[i]),
            "y": float(planned.y[i]),
            "snr": float(planned.snr[i]),
            "flux_e": float(planned.flux_e[i]),
            "on_galaxy": bool(planned.on_galaxy[i]),
            "found": bool(recovery.found[i]),
            "listed": bool(recovery.listed[i]),
            "reasons": int(recovery.reasons[i]),
            "score_sigma": or_none(recovery.score[i]),
            "measured_flux_e": or_none(recovery.flux_e[i]),
            "measured_flux_err_e": or_none(recovery.flux_err_e[i]),
            "dx_px": or_none(recovery.dx_px[i]),
            "dy_px": or_none(recovery.dy_px[i]),
        }
        for i in range(len(planned))
    ]


def _report(
    tools: Tools, profile: SurveyProfile, night: str, found: Sequence[InjectOutcome]
) -> NightReport:
    rows = [row for outcome in found for row in outcome.rows]
    snr = np.abs(_column(rows, "snr"))
    is_found = _column(rows, "found").astype(bool)
    counted = (snr >= GATE_SNR[0]) & (snr < GATE_SNR[1])
    bins = [(snr >= low) & (snr < high) for low, high in pairwise(SNR_EDGES)]
    limits = [o.limit_mag for o in found if o.limit_mag is not None]
    half = half_found_snr(snr, is_found) if rows else None
    summary: dict[str, object] = {
        "injected_frames": len(found),
        "injected": len(rows),
        "found": int(is_found.sum()),
        "half_found_snr": None if half is None else round(half, 2),
        "limiting_mag": round(float(np.mean(limits)), 3) if limits else None,
        "edges": [None if np.isinf(edge) else edge for edge in SNR_EDGES],
        "injected_by_snr": [int(b.sum()) for b in bins],
        "found_by_snr": [int((b & is_found).sum()) for b in bins],
        "other_detections": sum(outcome.others for outcome in found),
        **_errors(rows, is_found),
        "failures": [o.failure for o in found if o.failure],
    }
    verdict = completeness(
        int((counted & is_found).sum()), int(counted.sum()),
        sum(outcome.failure is not None for outcome in found),
        profile.injection.min_completeness, GATE_SNR,
    )  # fmt: skip
    pictures = {}
    if rows:
        png = completeness_curve(
            SNR_EDGES,
            [int((b & is_found).sum()) for b in bins],
            [int(b.sum()) for b in bins],
        )
        name = f"{night}-completeness"
        pictures[PICTURE] = keep_picture(tools.store, profile.name, night, name, png)
    return NightReport(
        profile.name, night, ASSET, summary, (verdict,), pictures=pictures
    )


def _errors(rows: Sequence[Row], is_found: NDArray[np.bool_]) -> dict[str, object]:
    """Flux and position errors of what was found, against their truth."""
    if not is_found.any():
        return {}
    true, flux = (_column(rows, n)[is_found] for n in ("flux_e", "measured_flux_e"))
    error = _column(rows, "measured_flux_err_e")[is_found]
    offset = np.hypot(_column(rows, "dx_px"), _column(rows, "dy_px"))[is_found]
    return {
        "flux_over_truth": round(float(np.median(flux / true)), 4),
        "flux_within_one_sigma": round(float(np.mean(np.abs(flux - true) < error)), 3),
        "position_error_px": round(float(np.median(offset)), 3),
    }


def _column(rows: Sequence[Row], name: str) -> NDArray[np.float64]:
    values = [row[name] for row in rows]
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
