"""Frames on which people or a catalogue know something that comes and goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.storage.database.tables.detections import CandidateRow
from astrid_assets.storage.database.tables.review import Label
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.queries import frames
from astrid_assets_tests.storage.world import World

if TYPE_CHECKING:
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
) -> str:
    """Label the one detection of a frame; returns the frame's id."""
    frame = world.processed(world.observation("2025-03-04", number, field=field))
    difference = world.difference(frame, current=current)
    detection = world.detection(frame, difference, (number, number))
    if sign < 0:
        world.session.query(CandidateRow).where(CandidateRow.difference_id == difference).update(
            {"sign": -1}
        )
    row = {
        "detection_id": detection,
        "label": label,
        "classification": None,
        "source": source,
        "n_votes": 1,
        "agreement": 1.0,
        "last_sequence": 1,
    }
    upsert(world.session, [Label(**row)])
    return frame


def test_a_real_brightening_known_to_people_or_catalogues_counts(
    catalogue: Catalogue,
) -> None:
    with catalogue.begin() as session:
        world = World(session)
        known = {
            labelled(world, 1),
            labelled(world, 2, source="catalogue"),
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
        assert frames.with_known_transients(session, "sim", "f1", "r") == known
        assert frames.with_known_transients(session, "sim", "f1", "g") == set()
