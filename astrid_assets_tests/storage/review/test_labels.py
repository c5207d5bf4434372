"""Labels, datasets and models: events once, labels counted, champions chosen."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.event import listens_for

from astrid_assets.science.quality.gates import CANDIDATE_DENSITY
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.tables.learning import (
    Deployment,
    Model,
    TrainingDataset,
    TrainingSample,
)
from astrid_assets.storage.database.tables.review import Label, ValidationEvent
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.queries import datasets, gates, models
from astrid_assets.storage.review import labels
from astrid_assets_tests.storage.world import WHEN, World

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.catalogue import Catalogue


def event(detection_id: str, key: str, label: str = "real") -> ValidationEvent:
    return ValidationEvent(
        event_key=key,
        detection_id=detection_id,
        reviewer="ada",
        source="person",
        label=label,
        created_at=WHEN,
    )


def label(
    detection_id: str,
    value: str,
    last: int,
    *,
    source: str = "person",
    classification: str | None = None,
) -> Label:
    return Label(
        detection_id=detection_id,
        label=value,
        last_sequence=last,
        given_sequence=last,
        classification=classification,
        source=source,
        n_votes=1,
        agreement=1.0,
    )


def test_a_repeated_save_is_one_event(catalogue: Catalogue):
    with catalogue.begin() as session:
        detection = World(session).chain("2025-03-04")
        assert labels.last_sequence(session) == 0
        first = [event(detection, "k1"), event(detection, "k2", "bogus")]
        assert labels.append_events(session, first) == 2
        again = [event(detection, "k2", "unsure"), event(detection, "k3", "undo")]
        assert labels.append_events(session, [*again, again[1]]) == 1
        assert labels.append_events(session, []) == 0
        stored = labels.events_for(session, [detection, "nobody"])
    assert stored.keys() == {detection}
    assert [row.label for row in stored[detection]] == ["real", "bogus", "undo"]
    sequences = [row.sequence for row in stored[detection]]
    assert sequences == sorted(set(sequences))
    with catalogue.read() as session:
        assert labels.last_sequence(session) == sequences[-1]


def test_only_real_and_bogus_labels_after_a_sequence_count(catalogue: Catalogue):
    with catalogue.begin() as session:
        world = World(session)
        found = [world.chain("2025-03-04", number) for number in range(5)]
        values = ["real", "bogus", "unsure", "disputed", "real"]
        rows = [
            label(detection, value, last)
            for last, (detection, value) in enumerate(zip(found, values, strict=True), 1)
        ]
        upsert(session, rows)
        assert labels.new_labels(session, 0) == labels.NewLabels(real=2, bogus=1, newest=5)
        assert labels.new_labels(session, 1) == labels.NewLabels(real=1, bogus=1, newest=5)
        assert labels.new_labels(session, 5) == labels.NewLabels(real=0, bogus=0)
        assert labels.labels_for(session, [found[2], "x"])[found[2]].label == "unsure"


def test_new_labels_are_counted_from_an_index_alone(catalogue: Catalogue):
    if not catalogue.is_sqlite:
        pytest.skip("PostgreSQL plans by the size of its tables")
    asked: list[tuple[str, tuple[object, ...]]] = []
    with catalogue.read() as session:

        @listens_for(catalogue.engine, "before_cursor_execute")
        def keep(
            _c: object, _cursor: object, sql: str, values: tuple[object, ...], *_: object
        ) -> None:
            asked.append((sql, values))

        labels.new_labels(session, 7)
        plans = [
            str(row[3])
            for sql, values in tuple(asked)
            for row in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)
        ]
    reads = [plan for plan in plans if "labels" in plan]
    assert len(reads) == 4
    assert all("COVERING INDEX ix_labels_label_given" in plan for plan in reads)


def test_labelled_detections_are_chosen_by_survey_date_source_and_gate(
    catalogue: Catalogue,
):
    with catalogue.begin() as session:
        world, other = World(session), World(session, "other")
        by_night = {
            night: world.chain(night)
            for night in ("2025-03-03", "2025-03-04", "2025-03-05", "2025-03-06")
        }
        rows = [label(identity, "real", 1) for identity in by_night.values()]
        rows[1] = label(
            by_night["2025-03-04"], "real", 1, source="truth", classification="supernova"
        )
        rows.append(label(other.chain("2025-03-04"), "bogus", 1))
        rows.append(label(world.chain("2025-03-04", 1), "disputed", 1))
        upsert(session, rows)
        world.chain("2025-03-04", 2)
        failed = CANDIDATE_DENSITY.judge(1.0, at_most=0.5, detail="too many")
        gates.record(session, "sim", "2025-03-06", "detections", [failed])

        def nights(**chosen: object) -> list[tuple[str, str]]:
            found = labels.labelled_detections(session, **chosen)  # type: ignore[arg-type]  # keywords of the test
            return [(row.survey, row.night) for row in found]

        free = [("sim", "2025-03-03"), ("sim", "2025-03-04"), ("sim", "2025-03-05")]
        assert sorted(nights()) == [("other", "2025-03-04"), *free]
        assert sorted(nights(surveys=["sim"])) == free
        assert nights(surveys=[]) == []
        assert nights(start="2025-03-05", end="2025-03-05") == free[2:]
        assert nights(sources=["truth"]) == free[1:2]
        assert nights(labels=["disputed"]) == free[1:2]
        (row,) = labels.labelled_detections(session, sources=["truth"])
    assert row.detection_id == by_night["2025-03-04"]
    assert (row.label, row.classification, row.source) == ("real", "supernova", "truth")
    assert (row.n_votes, row.agreement, row.last_sequence) == (1, 1.0, 1)
    assert (row.fwhm_px, row.cutout_key) == (3.0, "cutouts/x")


def add_model(session: Session, name: str, day: int) -> str:
    sha256 = ids.content_hash(name)
    row = {
        "id": ids.model_id(sha256),
        "name": "unet",
        "version": name,
        "onnx_sha256": sha256,
        "onnx_key": "k",
        "metrics": {},
        "threshold": 0.5,
        "created_at": WHEN + dt.timedelta(days=day),
    }
    upsert(session, [Model(**row)])
    return ids.model_id(sha256)


def decide(session: Session, action: str, model_id: str) -> None:
    before = models.champion(session)
    models.record_deployment(
        session,
        Deployment(
            action=action,
            model_id=model_id,
            previous_model_id=before.id if before else None,
            dataset_id=None,
            reason="because",
            metrics={},
            created_at=WHEN,
            follows=None if action == "keep" else models.number_to_follow(session),
        ),
    )


def in_force(session: Session) -> tuple[str | None, str | None]:
    champion, previous = models.champion(session), models.previous(session)
    return (
        champion.version if champion else None,
        previous.version if previous else None,
    )


def test_the_champion_is_that_of_the_newest_deployment_or_rollback(
    catalogue: Catalogue,
):
    with catalogue.begin() as session:
        assert in_force(session) == (None, None)
        a, b, c = (add_model(session, name, n) for n, name in enumerate("abc"))
        decide(session, "deploy", a)
        assert in_force(session) == ("a", None)
        decide(session, "deploy", b)
        decide(session, "keep", c)
        assert in_force(session) == ("b", "a")
        last = models.last_deployment(session)
        assert last is not None
        assert (last.action, last.model_id) == ("keep", c)
        assert [row.action for row in models.deployments(session)] == [
            "deploy",
            "deploy",
            "keep",
        ]


def test_rolling_back_twice_goes_two_models_back(catalogue: Catalogue):
    with catalogue.begin() as session:
        a, b, c = (add_model(session, name, n) for n, name in enumerate("abc"))
        for model_id in (a, b, c):
            decide(session, "deploy", model_id)
        decide(session, "rollback", b)
        assert in_force(session) == ("b", "a")
        decide(session, "rollback", a)
        assert in_force(session) == ("a", None)
        decide(session, "deploy", c)
        assert in_force(session) == ("c", "a")


def test_models_are_found_newest_first(catalogue: Catalogue):
    with catalogue.begin() as session:
        assert models.newest_model(session) is None
        for day, name in enumerate("ab"):
            add_model(session, name, day)
        newest = models.newest_model(session)
        assert newest is not None
        assert newest.version == "b"
        assert [row.version for row in models.all_models(session)] == ["b", "a"]
        assert models.training_runs(session) == []


def add_dataset(session: Session, name: str, day: int, status: str = "active") -> str:
    content_hash = ids.content_hash(name)
    dataset_id = ids.dataset_id(content_hash)
    row = {
        "id": dataset_id,
        "content_hash": content_hash,
        "name": name,
        "collection_params": {},
        "total_samples": 1,
        "anomaly_ratio": 0.5,
        "quality_score": 0.9,
        "quality_report": {},
        "shards": [{"images": "i", "masks": "m", "rows": 1}],
        "samples_key": "s",
        "last_sequence": 1,
        "created_at": WHEN + dt.timedelta(days=day),
        "created_by": "ada",
        "status": status,
        "status_at": WHEN + dt.timedelta(days=day),
    }
    upsert(session, [TrainingDataset(**row)])
    return dataset_id


def test_the_newest_active_dataset_is_the_one_to_train_on(catalogue: Catalogue):
    with catalogue.begin() as session:
        assert datasets.newest_dataset(session) is None
        add_dataset(session, "a", 0)
        dataset_id = add_dataset(session, "b", 1)
        add_dataset(session, "c", 2, status="withdrawn")
        newest = datasets.newest_dataset(session)
        assert newest is not None
        assert newest.id == dataset_id
        assert [row.name for row in datasets.all_datasets(session)] == ["c", "b", "a"]


def test_the_samples_of_a_dataset_are_counted_by_split(catalogue: Catalogue):
    with catalogue.begin() as session:
        world = World(session)
        dataset_id = add_dataset(session, "a", 0)
        for number, split in enumerate(("train", "train", "test")):
            detection_id = world.chain("2025-03-04", number)
            row = {
                "id": ids.sample_id(dataset_id, detection_id),
                "dataset_id": dataset_id,
                "observation_id": world.observation("2025-03-04", number),
                "detection_id": detection_id,
                "image_path": f"i#{number}",
                "mask_path": f"m#{number}",
                "labels": {"is_anomaly": True},
                "metadata_": {"night": "2025-03-04"},
                "split": split,
                "content_hash": "h",
                "created_at": WHEN,
            }
            upsert(session, [TrainingSample(**row)])
        assert datasets.split_counts(session, dataset_id) == {"test": 1, "train": 2}
        (sample,) = datasets.sample_page(session, dataset_id, split="test")
        assert sample.metadata_ == {"night": "2025-03-04"}
        assert len(datasets.sample_page(session, dataset_id)) == 3


@pytest.mark.parametrize("count", [0, 7000])
def test_long_lists_of_ids_are_asked_in_parts(catalogue: Catalogue, count: int):
    with catalogue.begin() as session:
        detection = World(session).chain("2025-03-04")
        upsert(session, [label(detection, "real", 1)])
        asked = [detection, *(f"nobody {n}" for n in range(count))]
        assert labels.labels_for(session, asked).keys() == {detection}
