"""Searches find what they should and page through it without loss or repetition."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest

from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.storage.database.paging import BadCursor
from astrid_assets.storage.database.sky_index import distance_arcsec
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection
from astrid_assets.storage.database.tables.review import Label
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.queries import search, search_images
from astrid_assets.storage.queries.search import Cone, DetectionFilter
from astrid_assets_tests.storage.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.queries.search import FoundDetection, Sort

PAGE = 7
FRAMES, PER_FRAME = 5, 8


@pytest.fixture
def filled(catalogue: Catalogue, rng: np.random.Generator) -> Catalogue:
    """Forty detections on five frames around one place, some of them labelled."""
    with catalogue.begin() as session:
        world = World(session)
        for number in range(FRAMES):
            night = f"2025-03-0{number + 1}"
            frame = world.processed(world.observation(night, number, mjd=60735 + number))
            difference = world.difference(frame)
            for index in range(PER_FRAME):
                detection_id = world.detection(
                    frame,
                    difference,
                    (10 * index, 20),
                    ra_deg=150 + rng.normal(0, 0.003),
                    dec_deg=2 + rng.normal(0, 0.003),
                    score_sigma=6.0 + index,
                    night=night,
                )
                row = session.get_one(Detection, detection_id)
                # Two scores are shared by many: ties must page as well.
                row.score = round(0.1 * (index % 3), 3)
                candidate = session.get_one(CandidateRow, row.candidate_id)
                candidate.mask_bits = int(MaskBit.HALO) if index == 0 else 0
                if index % 2:
                    upsert(session, [_label(detection_id, index)])
    return catalogue


def _label(detection_id: str, index: int) -> Label:
    return Label(
        detection_id=detection_id,
        label="real" if index == 1 else "bogus",
        classification=None,
        source="person",
        n_votes=1,
        agreement=1.0,
        last_sequence=1,
        given_sequence=1,
    )


def found(
    catalogue: Catalogue, wanted: DetectionFilter, sort: Sort = "newest"
) -> list[FoundDetection]:
    """Read all pages."""
    rows: list[FoundDetection] = []
    cursor = None
    with catalogue.read() as session:
        while True:
            page = search.search_detections(session, wanted, sort=sort, limit=PAGE, cursor=cursor)
            assert len(page.rows) <= PAGE
            rows += page.rows
            cursor = page.cursor
            if cursor is None:
                return rows


ORDERS: dict[Sort, Callable[[FoundDetection], tuple[float | str, ...]]] = {
    "newest": lambda r: (-r.observed_mjd,),
    "oldest": lambda r: (r.observed_mjd, r.observation_id, r.detection_id),
    "score": lambda r: (-r.score,),
}


def test_pages_hold_every_detection_once_and_in_order(filled: Catalogue) -> None:
    for sort, key in ORDERS.items():
        rows = found(filled, DetectionFilter(), sort)
        assert len({row.detection_id for row in rows}) == len(rows), sort
        assert len(rows) == FRAMES * PER_FRAME, sort
        assert [key(row) for row in rows] == sorted(key(row) for row in rows), sort


def test_a_cone_holds_what_lies_inside_and_nothing_else(filled: Catalogue) -> None:
    everything = found(filled, DetectionFilter())
    for radius in (3.0, 10.0, 30.0):
        inside = found(filled, DetectionFilter(cone=Cone(150, 2, radius)))
        expected = {
            row.detection_id
            for row in everything
            if row.ra_deg is not None
            and row.dec_deg is not None
            and distance_arcsec(150, 2, np.array([row.ra_deg]), np.array([row.dec_deg]))[0]
            <= radius
        }
        assert {row.detection_id for row in inside} == expected
    assert 0 < len(expected) <= len(everything)


TESTS: dict[str, tuple[DetectionFilter, Callable[[FoundDetection], bool]]] = {
    "survey": (DetectionFilter(survey="other"), lambda r: r.survey == "other"),
    "night": (DetectionFilter(night="2025-03-02"), lambda r: r.night == "2025-03-02"),
    "time": (
        DetectionFilter(start_mjd=60736.0, end_mjd=60738.0),
        lambda r: 60736 <= r.observed_mjd <= 60738,
    ),
    "score": (
        DetectionFilter(min_score=0.1, max_score=0.1),
        lambda r: r.score == 0.1,
    ),
    "sigma": (DetectionFilter(min_sigma=12), lambda r: r.score_sigma >= 12),
    "sign": (DetectionFilter(sign=-1), lambda r: r.sign == -1),
    "mask": (DetectionFilter(with_mask=int(MaskBit.HALO)), lambda r: r.mask_bits > 0),
    "no mask": (
        DetectionFilter(without_mask=int(MaskBit.HALO)),
        lambda r: r.mask_bits == 0,
    ),
    "label": (DetectionFilter(label="real"), lambda r: r.label == "real"),
    "unlabelled": (DetectionFilter(label="none"), lambda r: r.label is None),
    "source": (
        DetectionFilter(label_source="person"),
        lambda r: r.label_source == "person",
    ),
}


@pytest.mark.slow
def test_a_filter_keeps_what_it_names(filled: Catalogue) -> None:
    everything = found(filled, DetectionFilter())
    for name, (wanted, is_wanted) in TESTS.items():
        expected = {row.detection_id for row in everything if is_wanted(row)}
        kept = {row.detection_id for row in found(filled, wanted)}
        assert kept == expected, name
        if name not in {"survey", "sign"}:
            assert 0 < len(expected) < len(everything), name


def test_a_new_detection_shifts_no_page(filled: Catalogue) -> None:
    with filled.read() as session:
        first = search.search_detections(session, DetectionFilter(), limit=PAGE)
    before = {row.detection_id for row in first.rows}
    with filled.begin() as session:
        newest = World(session).chain("2025-03-09", 90)
    with filled.read() as session:
        second = search.search_detections(
            session, DetectionFilter(), limit=PAGE, cursor=first.cursor
        )
    after = {row.detection_id for row in second.rows}
    assert not before & after
    assert newest not in after


BAD_CURSORS = (
    "",
    "x",
    "bm8",
    "WyJzY29yZSIsIDAuMSwgIlx1MDAwMCJd",
    "W" * 5000,
    "WyJuZXdlc3QiLCAiYSIsICJiIiwgImMiXQ",
    "WyJzY29yZSIsIE5hTiwgImEiXQ",
)


def test_a_cursor_that_is_none_of_ours_is_refused(filled: Catalogue) -> None:
    for cursor in BAD_CURSORS:
        with filled.read() as session, pytest.raises(BadCursor, match="another search"):
            search.search_detections(session, DetectionFilter(), sort="score", cursor=cursor)


def test_observations_page_with_what_became_of_them(filled: Catalogue) -> None:
    with filled.begin() as session:
        World(session).observation("2025-03-02", 50, kind="bias")
    with filled.read() as session:
        pages = list(_pages(session, search_images.ObservationFilter()))
    rows = list(itertools.chain.from_iterable(pages))
    nights = [row.observation.night for row in rows]
    assert nights == sorted(nights, reverse=True)
    assert len({row.observation.id for row in rows}) == len(rows) == FRAMES + 1
    assert [row.observation.kind for row in rows if row.run is None] == ["bias"]
    with filled.read() as session:
        only = search_images.search_observations(
            session, search_images.ObservationFilter(kind="bias")
        )
    assert len(only.rows) == 1


def _pages(
    session: Session, wanted: search_images.ObservationFilter
) -> list[list[search_images.FoundObservation]]:
    pages, cursor = [], None
    while True:
        page = search_images.search_observations(session, wanted, limit=2, cursor=cursor)
        pages.append(page.rows)
        cursor = page.cursor
        if cursor is None:
            return pages


def test_surveys_are_counted(filled: Catalogue) -> None:
    with filled.begin() as session:
        World(session, "empty")
    with filled.read() as session:
        counts = {item.survey.name: item for item in search_images.survey_counts(session)}
    assert counts["sim"].n_observations == FRAMES
    assert counts["sim"].last_night == "2025-03-05"
    assert (counts["empty"].n_observations, counts["empty"].last_night) == (0, None)
