"""Measure completeness and purity: artificial transients in some frames of a night.

The injected frame goes through the same subtraction and detection as the real one,
and is thrown away; only what became of each transient is kept, apart from real
detections, and the cutouts of some (`keeping`). Seeds come from the difference, so a
rerun injects the same ones. Purity needs no injection: it asks the night's next frame
whether it shows the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.detection.sources import detect
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.errors import ScienceError
from astrid_assets.science.injection.completeness import position_scale_px
from astrid_assets.science.injection.purity import Repeats, repeats
from astrid_assets.science.injection.recovery import MATCH_FWHM, half_found_snr, recover
from astrid_assets.science.injection.sources import extended_sources, inject, plan_injections
from astrid_assets.steps import versions
from astrid_assets.steps.injected_transients.keeping import keep_cutouts
from astrid_assets.steps.injected_transients.report import ASSET, InjectOutcome, night_report
from astrid_assets.steps.injected_transients.task import InjectTask, Partner
from astrid_assets.steps.nights import (
    NightPlan,
    NightReport,
    Tools,
    finish,
    hash_of,
    run_nights,
)
from astrid_assets.steps.reference_frames.reading import reference_frame
from astrid_assets.storage.database.tables.detections import InjectedTransientRow
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.fits.differences import difference_from_fits, score_planes_from_fits
from astrid_assets.storage.fits.frames import frame_from_fits, stars_from_fits
from astrid_assets.storage.queries import frames, gates, light_curves

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from astrid_assets.science.detection.candidate import Candidate
    from astrid_assets.science.injection.recovery import Recovery
    from astrid_assets.science.injection.sources import Injections
    from astrid_assets.steps.injected_transients.keeping import KeptCutouts
    from astrid_assets.storage.database.tables.detections import DifferenceRun
    from astrid_assets.surveys.profile import SurveyProfile


def inject_nights(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str], *, force: bool = False
) -> Iterator[NightReport]:
    """Measure the completeness of the nights; one report per night, in order."""

    def commit(plan: NightPlan[InjectTask], found: list[InjectOutcome]) -> NightReport:
        report = night_report(tools, profile, plan.night, found)
        with tools.catalogue.begin() as session:
            light_curves.forget_injections(session, [task.difference_id for task in plan.tasks])
            upsert(session, [row for outcome in found for row in outcome.rows])
            finish(session, report, plan.input_hash)
        return report

    plans = _plans(tools, profile, nights)
    yield from run_nights(tools, profile, ASSET, plans, inject_into_frame, commit, force=force)


def _plans(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str]
) -> list[NightPlan[InjectTask]]:
    with tools.catalogue.read() as session:
        held = gates.blocked_nights(session, profile.name, "difference_images")
    plans = []
    for night in nights:
        tasks = [] if night in held else _tasks(tools, profile, night)
        input_hash = hash_of(
            versions.INJECT,
            [(t.difference_key, t.frame_key, t.reference_key, _key(t.partner)) for t in tasks],
            profile.injection,
            profile.differencing,
            profile.detection,
        )
        plans.append(NightPlan(night, tasks, input_hash))
    return plans


def _tasks(tools: Tools, profile: SurveyProfile, night: str) -> list[InjectTask]:
    """Take the first accepted differences of each field and band."""
    if profile.injection.per_frame == 0:
        return []
    tasks = []
    taken: dict[tuple[str, str], int] = {}
    accepted: dict[tuple[str, str], list[DifferenceRun]] = {}
    with tools.catalogue.read() as session:
        pairs = frames.differences_with_frames(session, profile.name, night)
        keys = {run.id: key for run, key in pairs}
        runs = [
            ((observation.field, observation.band), run)
            for observation, run in frames.current_differences_of_night(
                session, profile.name, night
            )
            if run.status == "accepted" and run.id in keys
        ]
        for group, run in runs:
            accepted.setdefault(group, []).append(run)
        for group, run in runs:
            if taken.get(group, 0) >= profile.injection.frames_per_night:
                continue
            choice = frames.night_reference(session, profile.name, night, *group)
            reference = frames.reference_of(session, choice)
            if reference is None or reference.id != run.reference_id:
                continue
            taken[group] = taken.get(group, 0) + 1
            tasks.append(
                InjectTask(
                    store=tools.store,
                    profile=profile,
                    night=night,
                    observation_id=run.observation_id,
                    difference_id=run.id,
                    difference_key=str(run.difference_key),
                    frame_key=keys[run.id],
                    reference_key=reference.frame_key,
                    partner=_partner(run, accepted[group]),
                )
            )
    return _with_share(tasks, profile.injection.cutouts_per_night)


def _with_share(tasks: Sequence[InjectTask], cutouts: int) -> list[InjectTask]:
    """Divide the cutouts that a night keeps among its frames."""
    each, more = divmod(cutouts, max(len(tasks), 1))
    return [replace(task, cutouts=each + (number < more)) for number, task in enumerate(tasks)]


def _partner(run: DifferenceRun, group: Sequence[DifferenceRun]) -> Partner | None:
    """Choose the next frame of the group, the first one after the last."""
    place = [other.id for other in group].index(run.id)
    for other in (*group[place + 1 :], *group[:place]):
        if (
            other.reference_id == run.reference_id
            and other.flux_ratio is not None
            and run.flux_ratio is not None
        ):
            return Partner(str(other.difference_key), scale=other.flux_ratio / run.flux_ratio)
    return None


def _key(partner: Partner | None) -> str | None:
    return partner.difference_key if partner else None


def inject_into_frame(task: InjectTask) -> InjectOutcome:
    """Inject, subtract, detect and compare; and ask the partner, for one frame."""
    profile = task.profile
    content = task.store.get(task.frame_key)
    science, stars = frame_from_fits(content), stars_from_fits(content)
    real = difference_from_fits(task.store.get(task.difference_key))
    if science.psf is None:
        return InjectOutcome([], failure=f"{science.frame_id} has no PSF")
    fwhm = science.psf.fwhm_px
    rng = np.random.default_rng(int(hash_of("injection", task.difference_id)[:15], 16))
    planned = plan_injections(rng, science, real, extended_sources(stars, fwhm), profile.injection)
    changed = inject(rng, science, planned)
    try:
        before = detect(real, science, profile.detection)
        reference = reference_frame(task.store, task.reference_key)
        difference = subtract(changed, reference, profile.differencing)
        found = detect(difference, changed, profile.detection)
    except ScienceError as error:
        return InjectOutcome([], failure=str(error))
    recovery = recover(planned, found, fwhm)
    cutouts = keep_cutouts(task, changed, difference, found, recovery)
    kept = [candidate for candidate in found if candidate.is_kept]
    # Nothing that the real difference shows lies near an injection.
    new = sum(not _is_among(candidate, before, fwhm) for candidate in kept)
    return InjectOutcome(
        _rows(task.difference_id, planned, recovery, cutouts),
        others=len(kept) - int(recovery.found.sum()),
        made_by_injection=max(new - int(recovery.found.sum()), 0),
        position_scale_px=position_scale_px(difference.psf_d),
        repeats=_repeats(task, before),
        limit_mag=_limit(real.zero_point_mag, real.flux_err, planned, recovery),
    )


def _is_among(one: Candidate, listed: Sequence[Candidate], fwhm_px: float) -> bool:
    return any(
        one.sign == other.sign and np.hypot(one.x - other.x, one.y - other.y) < MATCH_FWHM * fwhm_px
        for other in listed
    )


def _repeats(task: InjectTask, found: Sequence[Candidate]) -> Repeats | None:
    if task.partner is None:
        return None
    other = score_planes_from_fits(task.store.get(task.partner.difference_key))
    return repeats(found, other, task.partner.scale)


def _limit(
    zero_point_mag: float | None,
    flux_err: NDArray[np.float32],
    planned: Injections,
    recovery: Recovery,
) -> float | None:
    """Magnitude at which half of the transients are found."""
    half = half_found_snr(planned.snr, recovery.found)
    if half is None or zero_point_mag is None:
        return None
    return zero_point_mag - 2.5 * float(np.log10(half * float(np.median(flux_err))))


def _rows(
    difference_id: str, planned: Injections, recovery: Recovery, cutouts: KeptCutouts
) -> list[InjectedTransientRow]:
    def or_none(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    return [
        InjectedTransientRow(
            difference_id=difference_id,
            number=i,
            x=float(planned.x[i]),
            y=float(planned.y[i]),
            snr=float(planned.snr[i]),
            flux_e=float(planned.flux_e[i]),
            on_galaxy=bool(planned.on_galaxy[i]),
            found=bool(recovery.found[i]),
            listed=bool(recovery.listed[i]),
            reasons=int(recovery.reasons[i]),
            score_sigma=or_none(recovery.score[i]),
            measured_flux_e=or_none(recovery.flux_e[i]),
            measured_flux_err_e=or_none(recovery.flux_err_e[i]),
            dx_px=or_none(recovery.dx_px[i]),
            dy_px=or_none(recovery.dy_px[i]),
            cutout_key=cutouts.key if i in cutouts.index else None,
            cutout_index=cutouts.index.get(i),
        )
        for i in range(len(planned))
    ]
