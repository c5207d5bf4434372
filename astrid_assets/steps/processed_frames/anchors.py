"""Anchors: the frame whose stars define a field's astrometry and magnitudes.

An anchor is chosen from the first night that offers a usable frame, the best-ranked
one, among frames that may enter a reference. It is then frozen, so that processing a
night again gives the same bytes whatever was processed in between. A person who
finds it bad, or has changed the profile, may have it chosen again (`choose_again`);
nights that hang on it are then processed again, because its key is in their hashes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.science.reference.selection import may_enter
from astrid_assets.steps.calibration_masters.masters import masters_of
from astrid_assets.steps.processed_frames.anchor_store import AnchorKey
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.frames import FieldAnchor, Observation
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.objects.store_errors import ObjectMissing
from astrid_assets.storage.queries import frames, observations
from astrid_assets.surveys.catalogue_file import read_catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from astrid_assets.steps.nights import Tools
    from astrid_assets.steps.processed_frames.frame_task import AnchorOffer
    from astrid_assets.surveys.profile import SurveyProfile

Group = tuple[str, str]
"""Field and band."""


def ensure_anchors(
    tools: Tools, profile: SurveyProfile, lights: Mapping[str, Sequence[Observation]]
) -> dict[Group, AnchorKey]:
    """Return the anchor of every field and band of the nights, choosing missing ones.

    A field without any usable frame has no entry.
    """
    anchors: dict[Group, AnchorKey] = {}
    for night in sorted(lights):
        by_group: dict[Group, list[Observation]] = {}
        for frame in lights[night]:
            by_group.setdefault((frame.field, frame.band), []).append(frame)
        for group, members in by_group.items():
            if group in anchors:
                continue
            with tools.catalogue.read() as session:
                known = frames.field_anchor(session, profile.name, *group)
            if known and not tools.store.exists(known.stars_key):
                anchor = _made_again(tools, profile, known)
            elif known:
                anchor = AnchorKey(known.stars_key, known.is_local)
            else:
                anchor = _choose(tools, profile, group, members)
            if anchor is not None:
                anchors[group] = anchor
    return anchors


def choose_again(
    tools: Tools, profile: SurveyProfile, group: Group, *, avoid_present: bool = False
) -> AnchorKey | None:
    """Choose the anchor of a field and band anew, by the same rule.

    The same data and profile choose the same frame and bytes again.

    Parameters
    ----------
    avoid_present
        Leave out the frame that is the anchor now: it turned out bad.

    Returns
    -------
    None when no frame can be the anchor; the present one is then kept.
    """
    with tools.catalogue.read() as session:
        present = frames.field_anchor(session, profile.name, *group)
        avoided = present.observation_id if present and avoid_present else None
        nights = observations.nights(session, profile.name)
    for night in nights:
        with tools.catalogue.read() as session:
            lights = observations.observations_of_night(
                session, profile.name, night, status="registered", kind="light"
            )
        members = [
            frame for frame in lights if (frame.field, frame.band) == group and frame.id != avoided
        ]
        chosen = _choose(tools, profile, group, members) if members else None
        if chosen is not None:
            return chosen
    return None


def _made_again(tools: Tools, profile: SurveyProfile, known: FieldAnchor) -> AnchorKey:
    """Process the frame that is the anchor again: its object is lost or damaged."""
    with tools.catalogue.read() as session:
        frame = session.get_one(Observation, known.observation_id)
    made = _choose(tools, profile, (known.field, known.band), [frame])
    if made is None:
        raise ObjectMissing(known.stars_key, tools.store.url)
    return made


def _choose(
    tools: Tools, profile: SurveyProfile, group: Group, members: Sequence[Observation]
) -> AnchorKey | None:
    # Imported here: a frame task loads anchors, and choosing one runs frame tasks.
    from astrid_assets.steps.processed_frames.frame_task import FrameTask, offer_anchor

    if profile.catalogue is not None:
        # A file that cannot be read is reported once, before the frames' work.
        read_catalogue(profile.catalogue)
    eligible = [
        frame for frame in members if may_enter(frame.source_path, frame.night, profile.reference)
    ]
    masters = masters_of(tools, profile, eligible or members)
    tasks = [
        FrameTask.of(tools.store, profile, frame, masters[frame.id], None)
        for frame in eligible or members
    ]
    offers = [
        offer
        for offer in tools.compute.map(offer_anchor, tasks)
        if offer.rank is not None and offer.frame_key is not None
    ]
    if not offers:
        return None
    best = max(offers, key=_rank)
    row = FieldAnchor(
        id=ids.anchor_id(profile.name, *group),
        survey=profile.name,
        field=group[0],
        band=group[1],
        observation_id=best.observation_id,
        stars_key=str(best.frame_key),
        is_local=best.is_local,
        tie=best.tie,
        created_at=now(),
    )
    with tools.catalogue.begin() as session:
        upsert(session, [row])
    return AnchorKey(str(best.frame_key), best.is_local)


def _rank(offer: AnchorOffer) -> tuple[float, str]:
    return (offer.rank or 0.0, offer.observation_id)
