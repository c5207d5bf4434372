"""The reference of each field and band of a night: chosen, stacked, versioned.

A reference holds good frames of strictly earlier nights, so it never contains the
night itself. Its version is the hash of its members, so nights that choose the same
frames share it, and it is stacked once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from astrid_assets.pictures.thumbnails import frame_picture
from astrid_assets.science.errors import NoReference, ScienceError
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.reference import (
    ReferenceCandidate,
    build_reference,
    choose_members,
)
from astrid_assets.steps import versions
from astrid_assets.steps.nights import (
    NightReport,
    Tools,
    finish,
    hash_of,
    keep_picture,
    unchanged_report,
)
from astrid_assets.storage import frames, ids, layout
from astrid_assets.storage.catalogue import now, upsert
from astrid_assets.storage.frame_store import frame_from_fits, frame_to_fits
from astrid_assets.storage.tables import (
    NightReference,
    Observation,
    PreprocessRun,
    ReferenceFrame,
    ReferenceMember,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from astrid_assets.science.errors import Reason
    from astrid_assets.surveys.profile import SurveyProfile

ASSET = "reference_frames"

Member = tuple[Observation, PreprocessRun]


def reference_nights(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str], *, force: bool = False
) -> Iterator[NightReport]:
    """Choose, and where needed stack, the references that the nights use."""
    for night in nights:
        yield _reference_night(tools, profile, night, force=force)


def _reference_night(
    tools: Tools, profile: SurveyProfile, night: str, *, force: bool
) -> NightReport:
    survey = profile.name
    with tools.catalogue.read() as session:
        groups = sorted(
            {
                (observation.field, observation.band)
                for observation, run in frames.preprocess_runs_of_night(
                    session, survey, night
                )
                if run.status == "accepted"
            }
        )
        pools = {
            group: frames.accepted_before(
                session,
                survey,
                *group,
                night,
                later_too=profile.reference.later_nights,
            )
            for group in groups
        }
        choices = {
            group: _choose(pool, profile, night) for group, pool in pools.items()
        }
        input_hash = hash_of(
            versions.REFERENCE,
            [
                [*group, [run.frame_key for _, run in members], reason and reason.code]
                for group, (members, reason) in choices.items()
            ],
            profile.reference,
        )
        before = unchanged_report(session, survey, night, ASSET, input_hash)
    if before and not force:
        return before

    chosen: list[dict[str, object]] = []
    summary: dict[str, object] = {"fields": len(groups), "missing": 0}
    shown: dict[str, str] = {}
    for (field, band), (members, missing) in choices.items():
        reason = missing
        reference_id = None
        if members:
            try:
                reference = _stacked(tools, profile, field, band, members)
                reference_id = reference.id
                shown[f"reference {field} {band}".strip()] = reference.frame_key
                summary[f"frames {field} {band}".rstrip()] = reference.n_frames
            except ScienceError as error:
                reason = error.reason
        summary["missing"] = int(str(summary["missing"])) + (reference_id is None)
        chosen.append(
            {
                "survey": survey,
                "night": night,
                "field": field,
                "band": band,
                "reference_id": reference_id,
                "reason": reason.as_dict() if reason else None,
            }
        )
    pictures = dict(_picture(tools, survey, night, *item) for item in shown.items())
    report = NightReport(survey, night, ASSET, summary, pictures=pictures)
    with tools.catalogue.begin() as session:
        upsert(session, NightReference, chosen)
        finish(session, report, input_hash)
    return report


def _picture(
    tools: Tools, survey: str, night: str, caption: str, key: str
) -> tuple[str, str]:
    stack = frame_from_fits(tools.store.get(key))
    png = frame_picture(stack.data, stack.mask & UNUSABLE)
    return caption, keep_picture(tools.store, survey, night, caption, png)


def _choose(
    pool: Sequence[Member], profile: SurveyProfile, night: str
) -> tuple[list[Member], Reason | None]:
    candidates = [
        ReferenceCandidate(
            observation_id=observation.id,
            night=observation.night,
            path=observation.source_path,
            observed_mjd=observation.observed_mjd or 0.0,
            fwhm_px=run.fwhm_px or float("inf"),
        )
        for observation, run in pool
    ]
    members = set(choose_members(candidates, profile.reference))
    if len(members) < profile.reference.min_frames:
        needed = profile.reference.min_frames
        reason = NoReference(
            f"{len(members)} earlier good frames of this field and band before "
            f"{night}, {needed} needed; run earlier nights first, or relax "
            "[reference] in the profile (later_nights = true takes frames of later "
            "nights as well)",
            found=len(members),
            needed=needed,
        ).reason
        return [], reason
    return [pair for pair in pool if pair[0].id in members], None


def _stacked(
    tools: Tools, profile: SurveyProfile, field: str, band: str, members: list[Member]
) -> ReferenceFrame:
    version = hash_of(
        versions.REFERENCE,
        [run.frame_key for _, run in members],
        profile.reference.max_fwhm_ratio,
    )
    with tools.catalogue.read() as session:
        known = frames.reference_by_version(session, version)
    if known and tools.store.exists(known.frame_key):
        return known
    reference_id = ids.reference_id(version)
    members_read = [
        frame_from_fits(tools.store.get(str(run.frame_key))) for _, run in members
    ]
    stack = replace(
        build_reference(members_read, profile.reference), frame_id=reference_id
    )
    key = tools.store.put(
        layout.reference(profile.name, field, band, version[:12]),
        frame_to_fits(stack, None),
        ".fits",
    )
    row = {
        "id": reference_id,
        "survey": profile.name,
        "field": field,
        "band": band,
        "version": version,
        "last_night": max(observation.night for observation, _ in members),
        "n_frames": len(members),
        "frame_key": key,
        "fwhm_px": stack.psf.fwhm_px if stack.psf else None,
        "limiting_mag": None,
        "created_at": now(),
    }
    links = [
        {"reference_id": reference_id, "observation_id": observation.id}
        for observation, _ in members
    ]
    with tools.catalogue.begin() as session:
        upsert(session, ReferenceFrame, [row])
        upsert(session, ReferenceMember, links)
        return session.get_one(ReferenceFrame, reference_id)
