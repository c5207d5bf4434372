"""Labels survive a file in every format; what cannot be used is counted, not lost."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from astrid_assets.steps.validated_labels.exporting import EVENT_COLUMNS, exported_events
from astrid_assets.steps.validated_labels.files import MAX_LINE_BYTES, BadFile, format_of, written
from astrid_assets.steps.validated_labels.importing import import_labels
from astrid_assets.storage.database.tables.review import Label, ValidationEvent
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.storage.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.steps.validated_labels.importing import ImportReport
    from astrid_assets.storage.database.catalogue import Catalogue

NIGHT = "2025-03-04"


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """Three detections, ten arcsec apart."""
    made = new_catalogue(tmp_path)
    with made.begin() as session:
        world = World(session)
        for number in range(3):
            world.chain(NIGHT, number, dec_deg=2 + number * 10 / 3600)
    return made


def detection_ids(catalogue: Catalogue) -> list[str]:
    from astrid_assets.storage.queries.candidates import detections_of_night

    with catalogue.read() as session:
        return [row.detection_id for row in detections_of_night(session, "sim", NIGHT)]


def events(catalogue: Catalogue) -> list[ValidationEvent]:
    with catalogue.read() as session:
        query = select(ValidationEvent).order_by(ValidationEvent.sequence)
        return list(session.scalars(query))


def lines_file(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def imported(catalogue: Catalogue, path: Path, *rows: object) -> ImportReport:
    return import_labels(catalogue, lines_file(path / "v.jsonl", *rows))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_file_gives_back_every_event(catalogue: Catalogue, tmp_path: Path, suffix: str) -> None:
    ids = detection_ids(catalogue)
    rows = [
        {
            "detection_id": ids[0],
            "reviewer": "ada",
            "label": "real",
            "confidence": 0.75,
            "notes": "=cmd|' /C calc'!A0\nsecond, \"line\" é",
            "cutout_index": 3,
            "classification": "supernova",
            "created_at": "2025-03-05T01:02:03+02:00",
        },
        {"detection_id": ids[1], "reviewer": "bob", "label": "bogus_ghost"},
    ]
    first = imported(catalogue, tmp_path, *rows)
    assert (first.added, first.refused) == (2, 0)
    path = tmp_path / f"out.{suffix}"
    content = written(exported_events(catalogue), EVENT_COLUMNS, format_of(path))
    path.write_bytes(b"".join(content))

    elsewhere = new_catalogue(tmp_path, "elsewhere.db")
    with elsewhere.begin() as session:
        world = World(session)
        for number in range(3):
            world.chain(NIGHT, number, dec_deg=2 + number * 10 / 3600)
    report = import_labels(elsewhere, path)
    assert (report.read, report.added, report.refused) == (2, 2, 0)
    names = [name for name in EVENT_COLUMNS if name != "sequence"]
    told = [
        [{name: row[name] for name in names} for row in exported_events(where)]
        for where in (catalogue, elsewhere)
    ]
    assert told[0] == told[1]
    assert events(catalogue)[0].created_at == dt.datetime(2025, 3, 4, 23, 2, 3, tzinfo=dt.UTC)


def test_importing_twice_adds_nothing(catalogue: Catalogue, tmp_path: Path) -> None:
    row = {
        "detection_id": detection_ids(catalogue)[0],
        "reviewer": "a",
        "label": "real",
    }
    assert imported(catalogue, tmp_path, row, row).added == 1
    again = imported(catalogue, tmp_path, row)
    assert (again.added, again.known) == (0, 1)


def test_a_place_stands_for_its_detection(catalogue: Catalogue, tmp_path: Path) -> None:
    place = {"survey": "sim", "night": NIGHT, "ra_deg": 150.0, "reviewer": "ada"}
    near = {"dec_deg": 2 + 10.5 / 3600, "label": "bogus"}
    report = imported(catalogue, tmp_path, place | near, place | {"dec_deg": 2.5, "label": "real"})
    assert (report.added, dict(report.reasons)) == (1, {"no_detection_there": 1})
    assert events(catalogue)[0].detection_id == detection_ids(catalogue)[1]


def test_a_file_cannot_say_where_its_labels_come_from(catalogue: Catalogue, tmp_path: Path) -> None:
    row = {
        "detection_id": detection_ids(catalogue)[0],
        "reviewer": "a",
        "label": "real",
    }
    imported(catalogue, tmp_path, row | {"source": "truth"})
    assert [event.source for event in events(catalogue)] == ["import"]
    with catalogue.read() as session:
        assert session.scalars(select(Label.source)).all() == ["import"]


def test_the_database_knows_no_other_source(catalogue: Catalogue) -> None:
    from sqlalchemy import update
    from sqlalchemy.exc import IntegrityError

    with catalogue.begin() as session:
        session.add(_event(detection_ids(catalogue)[0], "person"))
    with catalogue.begin() as session:
        change = update(ValidationEvent).values(source="model")
        with pytest.raises(IntegrityError, match="source"):
            session.execute(change)


def _event(detection_id: str, source: str) -> ValidationEvent:
    return ValidationEvent(
        event_key="k",
        detection_id=detection_id,
        reviewer="a",
        source=source,
        label="real",
        created_at=dt.datetime(2025, 3, 4, tzinfo=dt.UTC),
    )


REFUSED = {
    "no_label": {"label": ""},
    "unknown_label": {"label": "maybe"},
    "unknown_class": {"classification": "dipole"},
    "bad_confidence": {"confidence": 1.5},
    "bad_number": {"confidence": "high"},
    "unknown_detection": {"detection_id": "x'; DROP TABLE labels; --"},
    "no_place": {"detection_id": None},
    "no_reviewer": {"reviewer": None},
    "bad_reviewer": {"reviewer": "<script>"},
    "long_notes": {"notes": "x" * 4001},
    "bad_text": {"notes": "a\x00b"},
    "bad_time": {"created_at": "yesterday"},
    "bad_key": {"event_key": "k" * 121},
}


def test_each_bad_row_is_counted_with_its_reason_and_the_good_one_kept(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    good = {
        "detection_id": detection_ids(catalogue)[0],
        "reviewer": "a",
        "label": "real",
    }
    rows = [good | change for change in REFUSED.values()]
    report = imported(catalogue, tmp_path, *rows, good, ["no object"], {"label": {}})
    assert dict(report.reasons) == dict.fromkeys(REFUSED, 1) | {"unreadable": 2}
    assert (report.added, report.refused) == (1, len(REFUSED) + 2)
    assert [line for line, _ in report.examples[:2]] == [
        len(REFUSED) + 2,
        len(REFUSED) + 3,
    ]


def test_lines_that_cannot_be_read_do_not_stop_the_others(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    id_ = detection_ids(catalogue)[0]
    path = tmp_path / "v.jsonl"
    good = json.dumps({"detection_id": id_, "reviewer": "a", "label": "real"})
    path.write_text(f"{{\n{'x' * (MAX_LINE_BYTES * 2)}\n\n{good}\n")
    report = import_labels(catalogue, path)
    assert (report.read, report.added, report.refused) == (3, 1, 2)
    csv = tmp_path / "v.csv"
    csv.write_text(f"detection_id,label\n{id_},bogus,too,many\n{id_},bogus\n")
    report = import_labels(catalogue, csv, reviewer="bob")
    assert (report.added, report.refused) == (1, 1)


def test_a_file_that_is_none_of_labels_is_refused(catalogue: Catalogue, tmp_path: Path) -> None:
    for name, content in (
        ("v.txt", b"real"),
        ("v.csv", b""),
        ("v.csv", b"label\n\xff\xfe\n"),
        ("v.parquet", b"PAR1 not"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadFile, match=name):
            import_labels(catalogue, tmp_path / name)
