"""Sides of the split: remembered by position, object and pixels, whatever is collected."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import select

from astrid_assets.science.labelling.split_names import SPLITS
from astrid_assets.science.labelling.splits import TooFewGroups
from astrid_assets.steps.learning.settings import CollectionSettings
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.frames import FieldAnchor
from astrid_assets.storage.database.tables.learning import SplitRule, SplitSide
from astrid_assets.storage.database.upsert import upsert
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.services import postgres_server, postgres_url
from astrid_assets_tests.steps.learning.labelled_sky import (
    ARCSEC,
    LabelledSky,
    given,
    tools_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.steps.learning.sides import Sides
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.review.labels import LabelledRow

__all__ = ["postgres_server", "postgres_url"]

SIMULATED = '[source]\nkind = "simulated"\nscene = "wide"\nseed = {seed}\n'


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return tools_of(new_catalogue(tmp_path), tmp_path)


@pytest.fixture
def sky(tools: Tools) -> LabelledSky:
    return LabelledSky(tools.catalogue)


def side_of(sides: Sides, row: int) -> tuple[str, str]:
    return str(sides.side[row]), str(sides.group[row])


def test_seed_and_fractions_of_a_later_collection_redraw_nothing(tools, sky):
    rows = sky.field_of(60)
    first = given(tools, rows)
    other = CollectionSettings(seed=99, val_fraction=0.4, test_fraction=0.4)
    again = given(tools, rows, settings=other)
    np.testing.assert_array_equal(again.side, first.side)
    assert not first.notes
    assert "change nothing" in again.notes[0]
    more = given(tools, rows + sky.field_of(400, seed=5), settings=other)
    np.testing.assert_array_equal(more.side[:60], first.side)
    assert (more.side[60:] == "test").mean() == pytest.approx(0.2, abs=0.07)
    with tools.catalogue.read() as session:
        assert session.get_one(SplitRule, 1).seed == CollectionSettings().seed


def test_a_position_keeps_its_side_in_another_survey_and_under_another_object(tools, sky):
    first = given(tools, sky.field_of(40))
    rows = [
        sky.row(
            ((row.ra_deg or 0) + 1.9 * ARCSEC, row.dec_deg),
            label=row.label,
            survey="other",
            frame="b",
            object_id=f"object-{number}",
        )
        for number, row in enumerate(sky.field_of(40))
    ]
    second = given(tools, rows)
    np.testing.assert_array_equal(second.side, first.side)
    np.testing.assert_array_equal(second.group, first.group)


def test_an_object_keeps_its_side_where_its_detections_lie_apart(tools, sky):
    field = sky.field_of(40)
    ids = [f"object-{number}" for number in range(40)]
    rows = [
        sky.row((row.ra_deg, row.dec_deg), label=row.label, object_id=name)
        for row, name in zip(field, ids, strict=True)
    ]
    first = given(tools, rows)
    moved = [
        sky.row(
            (row.ra_deg, (row.dec_deg or 0) + 3 * ARCSEC), label=row.label, object_id=row.object_id
        )
        for row in rows
    ]
    np.testing.assert_array_equal(given(tools, moved).side, first.side)


def test_simulated_skies_are_shared_by_seed_and_not_with_the_real_sky(tools, sky):
    for name, seed in (("sim-a", 1), ("sim-b", 1), ("sim-c", 2)):
        sky.survey(name, SIMULATED.format(seed=seed))
    fields = {name: sky.field_of(60, survey=name) for name in ("sim-a", "sim-b", "sim-c", "wide")}
    sides = {name: given(tools, rows) for name, rows in fields.items()}
    assert (sides["sim-a"].group == sides["sim-b"].group).all()
    assert not (sides["sim-a"].group == sides["sim-c"].group).any()
    assert not (sides["sim-a"].group == sides["wide"].group).any()


def test_relative_positions_are_those_of_one_file(tools, sky):
    sky.row((None, None), survey="near", frame="f0")
    with tools.catalogue.begin() as session:
        upsert(
            session,
            [
                FieldAnchor(
                    id=name,
                    survey=name,
                    field="",
                    band="r",
                    observation_id=sky.row((None, None), survey=name).observation_id,
                    stars_key="k",
                    is_local=True,
                    created_at=now(),
                )
                for name in ("near", "far")
            ],
        )

    def rows(survey: str, frames: str) -> list[LabelledRow]:
        # Every field without a WCS has its stars about the same few degrees.
        return [
            sky.row(
                (0.001 * number, 0.002),
                label=("real", "bogus")[number % 2],
                survey=survey,
                frame=f"{frames}{number % 3}",
                pixel=(20.0 * number, 10.0),
            )
            for number in range(60)
        ]

    first = given(tools, rows("near", "f"))
    other_files = given(tools, rows("far", "g"))
    same_files = given(tools, rows("far", "f"))
    assert not (first.group == other_files.group).any()
    assert (first.group == same_files.group).all()


def test_equal_and_nearly_equal_pixels_stand_on_one_side(tools, sky):
    rows = sky.field_of(80)
    hashes = [row.detection_id for row in rows]
    hashes[40:60] = hashes[:20]
    duplicates = [""] * 80
    for number in range(20):
        duplicates[20 + number] = duplicates[60 + number] = f"pair {number}"
    first = given(tools, rows, hashes=hashes, duplicates=duplicates)
    np.testing.assert_array_equal(first.side[40:60], first.side[:20])
    np.testing.assert_array_equal(first.side[60:80], first.side[20:40])
    # The same file once more, as a survey that says something else of its positions.
    elsewhere = [
        sky.row(((row.ra_deg or 0) + 5, row.dec_deg), label=row.label, survey="again", frame="b")
        for row in rows
    ]
    again = given(tools, elsewhere, hashes=hashes)
    np.testing.assert_array_equal(again.side, first.side)


def test_a_merge_moves_only_towards_test_and_is_reported(tools, sky):
    rows = sky.field_of(60)
    first = given(tools, rows)
    train, test = (int(np.flatnonzero(first.side == side)[0]) for side in ("train", "test"))
    bridge = [
        sky.row(
            (rows[row].ra_deg, rows[row].dec_deg), frame="b", pixel=(5.0, row), object_id="bridge"
        )
        for row in (train, test)
    ]
    second = given(tools, [*rows, *bridge])
    assert side_of(second, train) == side_of(second, test) == side_of(first, test)
    [move] = second.moves
    assert (move.before, move.after, move.group) == ("train", "test", first.group[train])
    assert move.detection_ids == tuple(sorted([rows[train].detection_id, bridge[0].detection_id]))
    third = given(tools, rows)
    assert side_of(third, train) == side_of(first, test)
    assert third.moves == ()
    with tools.catalogue.read() as session:
        moved = session.scalars(select(SplitSide).where(SplitSide.cause.contains("one with")))
        assert {row.side for row in moved} == {"test"}


def test_what_could_not_be_split_is_not_remembered(tools, sky):
    with pytest.raises(TooFewGroups):
        given(tools, sky.field_of(4))
    with tools.catalogue.read() as session:
        assert session.scalars(select(SplitSide)).all() == []
        assert session.scalars(select(SplitRule)).all() == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_set_that_grows_at_random_never_leaks(tools, sky, seed):
    """Detections, objects, positions and copies come in any order, in any selection."""
    rng = np.random.default_rng(seed)
    rows: list[LabelledRow] = []
    hashes: list[str] = []
    for number in range(500):
        star = int(rng.integers(0, 120))
        jitter = rng.normal(0, 0.6, 2) * ARCSEC
        chained = f"object-{star // 2}" if rng.random() < 0.03 else f"star-{star}"
        rows.append(
            sky.row(
                (150 + 0.01 * (star % 12) + jitter[0], 2 + 0.01 * (star // 12) + jitter[1]),
                label="real" if star % 3 else "bogus",
                survey=("wide", "other")[int(rng.integers(2))],
                frame=f"f{number}",
                object_id=chained if rng.random() < 0.8 else None,
            )
        )
        is_copy = number and rng.random() < 0.02
        hashes.append(hashes[int(rng.integers(number))] if is_copy else f"pixels {number}")
    seen: dict[str, str] = {}
    for _ in range(12):
        size = int(rng.integers(150, 500))
        chosen = np.sort(rng.choice(500, size, replace=False))
        if rng.random() < 0.3:
            chosen = np.array([row for row in chosen if rows[row].survey == "wide"])
        part = [rows[row] for row in chosen]
        sides = given(tools, part, hashes=[hashes[row] for row in chosen])
        with tools.catalogue.read() as session:
            merged = session.scalars(select(SplitSide).where(SplitSide.cause.contains("one with")))
            reported = {row.group_name for row in merged}
        assert all(str(move.into) in reported for move in sides.moves)
        pairs = zip(sides.side.tolist(), sides.group.tolist(), strict=True)
        for row, (side, group) in zip(part, pairs, strict=True):
            before = seen.get(row.detection_id, side)
            assert SPLITS.index(side) >= SPLITS.index(before)
            assert side == before or group in reported
            seen[row.detection_id] = side
        for keys in (
            [row.object_id or row.detection_id for row in part],
            [hashes[row] for row in chosen],
        ):
            on = {key: set[str]() for key in keys}
            for key, side in zip(keys, sides.side.tolist(), strict=True):
                on[key].add(side)
            assert all(len(found) == 1 for found in on.values())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_of_two_collections_at_once_one_wins_and_the_other_follows(kind, request, tmp_path):
    from astrid_assets.storage.database.catalogue import Catalogue

    if kind == "sqlite":
        catalogue = new_catalogue(tmp_path)
    else:
        catalogue = Catalogue(request.getfixturevalue("postgres_url"))
        catalogue.migrate()
    tools = tools_of(catalogue, tmp_path)
    sky = LabelledSky(catalogue)
    rows = sky.field_of(80)
    start = threading.Barrier(2)
    found: dict[int, Sides] = {}

    def collect(seed: int) -> None:
        start.wait()
        part = rows if seed == 1 else rows[20:]
        found[seed] = given(tools, part, settings=CollectionSettings(seed=seed))

    threads = [threading.Thread(target=collect, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(found[1].side[20:], found[2].side)
    assert sum(bool(sides.notes) for sides in found.values()) == 1
    catalogue.close()
