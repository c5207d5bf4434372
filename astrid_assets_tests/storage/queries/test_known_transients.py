"""Frames on which people or a catalogue know something that comes and goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.storage.database.tables.detections import CandidateRow, Detection
from astrid_assets.storage.database.tables.review import Label, VoteRow
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.queries import frames
from astrid_assets_tests.storage.world import World

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.catalogue import Catalogue


def labelled(
    world: World,
    number: int,
    *,
    label: str = "real",
    source: str = "person",
    sign: int = 1,
    current: bool = True,
    field: str = "f1",
    reviewers: int = 2,
    object_id: str | None = None,
) -> str:
    """Label the one detection of a frame; returns the frame's id."""
    frame = world.processed(world.observation("2025-03-04", number, field=field))
    difference = world.difference(frame, current=current)
    detection = world.detection(frame, difference, (number, number), object_id=object_id)
    if sign < 0:
        world.session.query(CandidateRow).where(CandidateRow.difference_id == difference).update(
            {"sign": -1}
        )
    row = {
        "detection_id": detection,
        "label": label,
        "classification": None,
        "source": source,
        "n_votes": reviewers,
        "agreement": 1.0,
        "last_sequence": 1,
        "given_sequence": 1,
    }
    upsert(world.session, [Label(**row)])
    for who in range(reviewers):
        say(world, detection, f"reviewer {who}", label, source)
    return frame


def say(
    world: World, detection: str, who: str, label: str = "real", source: str = "person"
) -> None:
    vote = VoteRow(
        detection_id=detection, source=source, reviewer=who, label=label, n_said=1, sequence=1
    )
    upsert(world.session, [vote])


def known(session: Session, band: str = "r", reviewers: int = 2) -> set[str]:
    return frames.with_known_transients(session, "sim", "f1", band, reviewers=reviewers)


def test_a_real_brightening_known_to_people_or_catalogues_counts(
    catalogue: Catalogue,
) -> None:
    with catalogue.begin() as session:
        world = World(session)
        expected = {
            labelled(world, 1),
            labelled(world, 2, source="catalogue", reviewers=1),
            labelled(world, 3, source="import"),
            # Of an earlier subtraction: the frame is still the same.
            labelled(world, 4, current=False),
        }
        labelled(world, 5, source="truth")
        labelled(world, 6, label="bogus")
        labelled(world, 7, label="disputed")
        # A fading source was brighter in the reference, not on this frame.
        labelled(world, 8, sign=-1)
        labelled(world, 9, field="f2")
        assert known(session) == expected
        assert known(session, band="g") == set()


def test_two_reviewers_must_agree_about_a_source_on_whatever_frames(catalogue: Catalogue) -> None:
    with catalogue.begin() as session:
        world = World(session)
        alone = labelled(world, 1, reviewers=1)
        assert known(session) == set()
        assert known(session, reviewers=1) == {alone}
        # The same reviewer twice is one; another one makes two, also on another frame.
        supernova = world.sky_object("supernova", 150.0, 2.0)
        first = labelled(world, 2, reviewers=1, object_id=supernova)
        second = labelled(world, 3, reviewers=1, object_id=supernova)
        assert known(session) == set()
        third = labelled(world, 4, reviewers=0, object_id=supernova)
        (detection,) = session.scalars(
            select(Detection.id).where(Detection.observation_id == third)
        )
        say(world, detection, "somebody else")
        assert known(session) == {first, second, third}
        assert known(session, reviewers=3) == set()
