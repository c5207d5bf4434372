"""Labels, datasets and models in a catalogue, as the steps would leave them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from sqlalchemy import update

from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.detections import Detection, DetectionScore
from astrid_assets.storage.database.tables.learning import (
    Deployment,
    Model,
    TrainingDataset,
    TrainingRun,
)
from astrid_assets.storage.database.tables.review import Label, ValidationEvent
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.review import labels
from astrid_assets_tests.storage.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from astrid_assets.storage.database.catalogue import Catalogue

NIGHT = "2025-03-04"
NUMBERS = itertools.count()


def add_labels(
    catalogue: Catalogue,
    count: int,
    label: str = "real",
    *,
    scores: Sequence[float] | None = None,
    model_id: str | None = None,
    model_scores: Mapping[str, Sequence[float]] | None = None,
    drawn_as: str | None = None,
    score_seen: bool = False,
) -> int:
    """Label new detections, one event each; returns the last event's sequence.

    With `scores` the detections carry these scores of that model; with `model_scores` each
    model is known to have scored them so.
    """
    with catalogue.begin() as session:
        world = World(session)
        frame = world.processed(world.observation(NIGHT))
        difference = world.difference(frame)
        for position in range(count):
            number = next(NUMBERS)
            detection = world.detection(frame, difference, (number, 5), night=NIGHT)
            if scores is not None:
                session.execute(
                    update(Detection)
                    .where(Detection.id == detection)
                    .values(score=scores[position], model_id=model_id)
                )
            for name, own in (model_scores or {}).items():
                kept = DetectionScore(
                    detection_id=detection, model_id=name, score=own[position], scored_at=now()
                )
                session.add(kept)
            event = ValidationEvent(
                event_key=f"event {number}",
                detection_id=detection,
                reviewer="ada",
                source="person",
                label=label if label in {"real", "bogus"} else "unsure",
                drawn_as=drawn_as,
                score_seen=score_seen,
                created_at=now(),
            )
            labels.append_events(session, [event])
            sequence = labels.last_sequence(session)
            consensus = {
                "detection_id": detection,
                "label": label,
                "source": "person",
                "n_votes": 1,
                "agreement": 1.0,
                "last_sequence": sequence,
                "given_sequence": sequence,
            }
            upsert(session, [Label(**consensus)])
        return labels.last_sequence(session)


def add_dataset(catalogue: Catalogue, last_sequence: int) -> str:
    """Add a dataset that has seen the events up to one; returns its id."""
    content_hash = ids.content_hash(["dataset", next(NUMBERS)])
    row = {
        "id": ids.dataset_id(content_hash),
        "content_hash": content_hash,
        "name": "d",
        "collection_params": {},
        "total_samples": 100,
        "anomaly_ratio": 0.5,
        "quality_score": 0.9,
        "quality_report": {},
        "shards": [{"images": "i", "masks": "m", "rows": 100}],
        "samples_key": "s",
        "last_sequence": last_sequence,
        "created_at": now(),
        "created_by": "test",
        "status": "active",
        "status_at": now(),
    }
    with catalogue.begin() as session:
        upsert(session, [TrainingDataset(**row)])
    return ids.dataset_id(content_hash)


def deploy(catalogue: Catalogue, dataset_id: str, test_auc: float = 0.98) -> str:
    """Train a model on a dataset and put it in force; returns its id."""
    sha256 = ids.content_hash(["model", next(NUMBERS)])
    model_id, run_id = ids.model_id(sha256), ids.training_run_id(dataset_id, sha256)
    run = {
        "id": run_id,
        "dataset_id": dataset_id,
        "training_params": {},
        "status": "completed",
        "started_at": now(),
    }
    model = {
        "id": model_id,
        "name": "unet",
        "version": "1",
        "training_run_id": run_id,
        "onnx_sha256": sha256,
        "onnx_key": f"models/x.{sha256[:32]}.onnx",
        "metrics": {"model": {"roc_auc": {"value": test_auc, "low": test_auc - 0.02, "high": 1.0}}},
        "threshold": 0.5,
        "created_at": now(),
    }
    with catalogue.begin() as session:
        from astrid_assets.storage.queries import models

        before = models.champion(session)
        upsert(session, [TrainingRun(**run)])
        upsert(session, [Model(**model)])
        models.record_deployment(
            session,
            Deployment(
                action="deploy",
                model_id=model_id,
                previous_model_id=before.id if before else None,
                dataset_id=dataset_id,
                reason="test",
                metrics={},
                created_at=now(),
                follows=models.number_to_follow(session),
            ),
        )
    return model_id
