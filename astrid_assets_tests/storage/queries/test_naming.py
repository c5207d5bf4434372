"""Names that can be read out: unique, given once, the same whoever stores first."""

from __future__ import annotations

import threading
from dataclasses import replace
from string import ascii_lowercase
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.steps.detections.objects import with_objects
from astrid_assets.storage.database.names import as_written, is_name, object_name
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, SkyObject
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.queries.naming import Named, find_named, position_of
from astrid_assets.storage.queries.search import DetectionFilter, search_detections
from astrid_assets.surveys.profile import SurveyProfile
from astrid_assets_tests.storage.world import World

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.catalogue import Catalogue

PROFILE = SurveyProfile.from_toml('name = "sim"\n[source]\nkind = "folder"\npath = "/frames"\n')
RADIUS_DEG = DetectionSettings().association_radius_arcsec / 3600
NIGHTS = ["2024-12-31", "2025-01-01", "2025-01-02"]
PLACES = [(150.0, 2.0), (150.1, 2.0)]


def found(session: Session, night: str, places: list[tuple[float, float]]) -> list[str]:
    """Store detections of a night at these positions, as the step does; returns their ids."""
    ids = made(session, night, places)
    store(session, ids)
    return ids


def made(session: Session, night: str, places: list[tuple[float, float]]) -> list[str]:
    """Make detections of a night that have neither object nor name."""
    world = World(session)
    observation = world.processed(world.observation(night))
    difference = world.difference(observation)
    return [
        world.detection(observation, difference, (number, 20), ra_deg=ra, dec_deg=dec, night=night)
        for number, (ra, dec) in enumerate(places)
    ]


def store(session: Session, ids: list[str]) -> None:
    rows = [session.get_one(Detection, id_) for id_ in ids]
    candidates = [session.get_one(CandidateRow, row.candidate_id) for row in rows]
    # What the step computes knows neither object nor name.
    computed = [replace(row, object_id=None, name=None) for row in rows]
    upsert(session, with_objects(session, PROFILE, candidates, computed))


def names(session: Session, ids: list[str]) -> list[str | None]:
    session.expire_all()
    return [session.get_one(Detection, id_).name for id_ in ids]


def test_letters_count_and_never_meet() -> None:
    assert [object_name(2025, n) for n in (0, 1, 25, 26, 28)] == [
        "AST25aaaa",
        "AST25aaab",
        "AST25aaaz",
        "AST25aaba",
        "AST25aabc",
    ]
    least = len(ascii_lowercase) ** 4
    assert (object_name(1999, least - 1), object_name(1999, least)) == ("AST99zzzz", "AST99baaaa")
    numbers = [*range(2000), *range(least - 1000, least + 1000)]
    assert len({object_name(2025, n) for n in numbers}) == len(numbers)
    assert all(is_name(object_name(2025, n)) for n in numbers)
    assert as_written(" ast25AABC.2 ") == "AST25aabc.2"
    assert not any(map(is_name, ["150.0", "AST25abc", "AST2025aaaa", "3f0c9a2b71de", "AST25aaaa."]))


def test_the_first_detection_names_the_object_and_a_rerun_changes_nothing(
    catalogue: Catalogue,
) -> None:
    with catalogue.begin() as session:
        old = found(session, NIGHTS[0], PLACES[:1])
        new = found(session, NIGHTS[1], PLACES)
        last = found(session, NIGHTS[2], PLACES)
        expected = ["AST24aaaa.1", "AST24aaaa.2", "AST25aaaa.1", "AST24aaaa.3", "AST25aaaa.2"]
        assert names(session, old + new + last) == expected
        for ids in (last, old, new):
            store(session, ids)
        assert names(session, old + new + last) == expected
        objects = session.scalars(select(SkyObject).order_by(SkyObject.name)).all()
        assert [(o.name, o.n_named) for o in objects] == [("AST24aaaa", 3), ("AST25aaaa", 2)]
        assert find_named(session, "ast24AAAA") == Named(objects[0].id, None)
        assert find_named(session, "AST25aaaa.2") == Named(objects[1].id, last[1])
        assert find_named(session, "AST25aaaa.9") is None
        assert position_of(session, "AST25aaaa.2") == pytest.approx(PLACES[1])
        for name, ids in (("AST25aaaa", [new[1], last[1]]), ("ast25aaaa.1", [new[1]])):
            page = search_detections(session, DetectionFilter(name=name))
            assert {row.detection_id for row in page.rows} == set(ids)


def test_a_detection_without_coordinates_has_no_name(catalogue: Catalogue) -> None:
    with catalogue.begin() as session:
        world = World(session)
        observation = world.processed(world.observation(NIGHTS[0]))
        difference = world.difference(observation)
        alone = world.detection(observation, difference, ra_deg=None, dec_deg=None)
        store(session, [alone])
        assert names(session, [alone]) == [None]


@pytest.mark.slow
def test_nights_that_are_stored_at_once_share_objects_and_no_name(catalogue: Catalogue) -> None:
    nights = [f"2025-03-0{day}" for day in range(1, 5)]
    ready = threading.Barrier(len(nights))
    with catalogue.begin() as session:
        stored = {
            night: made(session, night, [(ra + n * RADIUS_DEG / 10, dec) for ra, dec in PLACES])
            for n, night in enumerate(nights)
        }

    def run(night: str) -> None:
        ready.wait(30)
        with catalogue.begin() as session:
            store(session, stored[night])

    threads = [threading.Thread(target=run, args=(night,)) for night in nights]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with catalogue.read() as session:
        given = [str(name) for night in nights for name in names(session, stored[night])]
        objects = [str(name) for name in session.scalars(select(SkyObject.name))]
    assert sorted(objects) == ["AST25aaaa", "AST25aaab"]
    assert sorted(given) == sorted(f"{o}.{n}" for o in objects for n in range(1, len(nights) + 1))
