"""The reference of each field and band of a night: chosen, stacked, versioned.

A reference holds good frames of strictly earlier nights, so it never contains the
night itself. Its version is the hash of its members, so nights that choose the same
frames share it, and it is stacked once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from astrid_assets.pictures.thumbnails import frame_picture
from astrid_assets.science.errors import ScienceError
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.reasons import current_code
from astrid_assets.science.reference.selection import ReferenceCandidate, choose_members
from astrid_assets.science.reference.stacking import build_reference, depth_of
from astrid_assets.steps import versions
from astrid_assets.steps.locations import located
from astrid_assets.steps.nights import (
    NightReport,
    Tools,
    finish,
    hash_of,
    keep_picture,
    unchanged_report,
    version_of,
)
from astrid_assets.steps.reference_frames.cost import label_cost
from astrid_assets.steps.reference_frames.words import missing_reason, ranking_told
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.frames import (
    NightReference,
    Observation,
    PreprocessRun,
    ReferenceFrame,
    ReferenceMember,
)
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.fits.frames import frame_from_fits, frame_to_fits
from astrid_assets.storage.objects import layout
from astrid_assets.storage.queries import frames

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.orm import Session

    from astrid_assets.science.errors import Reason
    from astrid_assets.science.reference.selection import RankedFrame
    from astrid_assets.surveys.profile import SurveyProfile

ASSET = "reference_frames"
Member = tuple[Observation, PreprocessRun]


def reference_nights(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str], *, force: bool = False
) -> Iterator[NightReport]:
    """Choose, and where needed stack, the references that the nights use."""
    for night in nights:
        with located(profile.name, night):
            report = _reference_night(tools, profile, night, force=force)
        yield report


def _reference_night(
    tools: Tools, profile: SurveyProfile, night: str, *, force: bool
) -> NightReport:
    survey = profile.name
    with tools.catalogue.read() as session:
        choices = _choices(session, profile, night)
        input_hash = hash_of(
            versions.REFERENCE,
            [
                [
                    *group,
                    [run.frame_key for _, run in choice.members],
                    [(r.frame.observation_id, r.why_not) for r in choice.considered],
                    choice.missing and choice.missing.as_dict(),
                ]
                for group, choice in choices.items()
            ],
        )
        before = unchanged_report(session, survey, night, ASSET, input_hash)
    if before and not force:
        return before
    with tools.catalogue.read() as session:
        # While the night still has the references that labels would change.
        cost = label_cost(session, profile, [night])

    chosen: list[NightReference] = []
    summary: dict[str, object] = {"fields": len(choices), "missing": 0}
    shown: dict[str, str] = {}
    for (field, band), choice in choices.items():
        name = f"{field} {band}".strip()
        reason = choice.missing
        reference = None
        if choice.members:
            try:
                reference = _stacked(tools, profile, field, band, choice)
            except ScienceError as error:
                reason = error.reason
        if reference is None:
            summary["missing"] = int(str(summary["missing"])) + 1
        else:
            shown[f"reference {name}"] = reference.frame_key
            summary |= {
                f"frames {name}": reference.n_frames,
                f"limiting_mag {name}": reference.limiting_mag,
                f"coverage {name}": reference.coverage,
            }
        summary |= ranking_told(name, choice.considered)
        chosen.append(
            NightReference(
                survey=survey,
                night=night,
                field=field,
                band=band,
                reference_id=reference.id if reference else None,
                reason=reason.as_dict() if reason else None,
            )
        )
    if cost.words:
        summary["cost_of_labels"] = cost.words
    report = NightReport(
        survey,
        night,
        ASSET,
        summary,
        pictures=dict(_picture(tools, survey, night, *item) for item in shown.items()),
        # Another ranking that leads to the same stacks changes nothing downstream.
        data_version=version_of(chosen),
    )
    with tools.catalogue.begin() as session:
        upsert(session, chosen)
        finish(session, report, input_hash)
    return report


@dataclass(frozen=True)
class _Choice:
    """The frames of a reference and all that were looked at; or why there are none."""

    members: list[Member]
    considered: tuple[RankedFrame, ...]
    missing: Reason | None


def _choices(
    session: Session, profile: SurveyProfile, night: str
) -> dict[tuple[str, str], _Choice]:
    """Choose the reference of each field and band that the night has frames of."""
    groups = sorted(
        {
            (observation.field, observation.band)
            for observation, run in frames.preprocess_runs_of_night(session, profile.name, night)
            if run.status == "accepted"
        }
    )
    return {group: _choose(session, profile, *group, night) for group in groups}


def _choose(session: Session, profile: SurveyProfile, field: str, band: str, night: str) -> _Choice:
    settings = profile.reference
    where = (session, profile.name, field, band)
    pool = frames.accepted_before(*where, night, later_too=settings.later_nights)
    known = (
        frames.with_known_transients(*where, reviewers=settings.known_transient_reviewers)
        if settings.known_transients == "exclude"
        else set()
    )
    choice = choose_members([_candidate(*pair, known) for pair in pool], settings)
    by_id = {pair[0].id: pair for pair in pool}
    members = [by_id[name] for name in choice.members]
    missing = None if members else missing_reason(choice, settings, night)
    return _Choice(members, choice.considered, missing)


def _candidate(observation: Observation, run: PreprocessRun, known: set[str]) -> ReferenceCandidate:
    return ReferenceCandidate(
        observation_id=observation.id,
        night=observation.night,
        path=observation.source_path,
        observed_mjd=observation.observed_mjd or 0.0,
        fwhm_px=run.fwhm_px or float("inf"),
        limiting_mag=run.limiting_mag,
        coverage=run.field_coverage,
        bad_fraction=run.bad_fraction or 0.0,
        flags=frozenset(
            current_code(str(flag["code"]), flag["measurements"]) for flag in run.flags
        ),
        has_known_transient=observation.id in known,
    )


def _picture(tools: Tools, survey: str, night: str, caption: str, key: str) -> tuple[str, str]:
    stack = frame_from_fits(tools.store.get(key))
    png = frame_picture(stack.data, stack.mask & UNUSABLE)
    return caption, keep_picture(tools.store, survey, night, caption, png)


def _stacked(
    tools: Tools, profile: SurveyProfile, field: str, band: str, choice: _Choice
) -> ReferenceFrame:
    members = choice.members
    version = hash_of(versions.REFERENCE, [run.frame_key for _, run in members])
    with tools.catalogue.read() as session:
        known = frames.reference_by_version(session, version)
    if known and tools.store.exists(known.frame_key):
        return known
    reference_id = ids.reference_id(version)
    members_read = [frame_from_fits(tools.store.get(str(run.frame_key))) for _, run in members]
    stack = replace(build_reference(members_read, profile.reference), frame_id=reference_id)
    limiting_mag, coverage = depth_of(stack)
    key = tools.store.put(
        layout.reference_key(profile.name, field, band, version[:12]),
        frame_to_fits(stack, None),
        ".fits",
    )
    row = ReferenceFrame(
        id=reference_id,
        survey=profile.name,
        field=field,
        band=band,
        version=version,
        last_night=max(observation.night for observation, _ in members),
        n_frames=len(members),
        frame_key=key,
        fwhm_px=stack.psf.fwhm_px if stack.psf else None,
        limiting_mag=round(limiting_mag, 4),
        coverage=round(coverage, 6),
        created_at=now(),
    )
    links = [
        ReferenceMember(
            reference_id=reference_id,
            observation_id=r.frame.observation_id,
            rank=r.rank,
            weight=r.weight,
        )
        for r in choice.considered
        if r.rank is not None
    ]
    with tools.catalogue.begin() as session:
        upsert(session, [row])
        upsert(session, links)
        return session.get_one(ReferenceFrame, reference_id)
