"""The health of the model in force on random items; the statistics are in `learning.gate.health`.

Judged are items of the random sample, answered before the score was shown, on detections of
objects that the training never saw, by the scores that were kept when they were detected.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select

from astrid_assets.storage.database.tables.detections import Detection, DetectionScore
from astrid_assets.storage.database.tables.learning import (
    TrainingDataset,
    TrainingRun,
    TrainingSample,
)
from astrid_assets.storage.queries import models
from astrid_assets.storage.queries.observations import in_chunks
from astrid_assets.storage.review.random_sample import random_items

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from astrid_assets.learning.gate.health import HealthFinding
    from astrid_assets.learning.metrics.intervals import Interval
    from astrid_assets.storage.database.tables.learning import Model
    from astrid_assets.storage.review.random_sample import RandomItem


@dataclass(frozen=True)
class ChampionHealth:
    """What was found of the champion.

    Attributes
    ----------
    fall
        Against its own figure; None where no figure was stored.
    behind
        Against its predecessor on the same items; None where there is none.
    deployment
        Number of the decision that put it in force.
    """

    fall: HealthFinding | None
    behind: HealthFinding | None
    deployment: int


@dataclass(frozen=True)
class ScoredItems:
    """Random items that two models scored, oldest first, (n,) each."""

    scores: NDArray[np.float64]
    others: NDArray[np.float64]
    labels: NDArray[np.bool_]
    groups: NDArray[np.str_]


def champion_health(session: Session, champion: Model) -> ChampionHealth:
    """Judge the champion on the random items that are new to it."""
    from astrid_assets.learning.gate.health import judge_fall

    items = new_items(session, champion)
    own, before = _own_figure(session, champion), models.previous(session)
    fall = None
    if own is not None:
        mine = scored_items(session, items, champion, champion)
        fall = judge_fall(mine.scores, mine.labels, own, mine.groups)
    last = models.in_force(session)
    return ChampionHealth(
        fall,
        None if before is None else _against_predecessor(session, items, champion, before),
        last.sequence if last else 0,
    )


def new_items(session: Session, champion: Model) -> list[RandomItem]:
    """Return random items whose objects the champion's training never saw, oldest first."""
    run = session.get(TrainingRun, champion.training_run_id) if champion.training_run_id else None
    dataset = session.get(TrainingDataset, run.dataset_id) if run else None
    items = random_items(session, dataset.last_sequence if dataset else 0)
    if dataset is None:
        return items
    objects = {item.object_id for item in items if item.object_id is not None}
    seen: set[str | None] = set()
    for chunk in in_chunks(objects):
        query = (
            select(Detection.object_id)
            .join(TrainingSample, TrainingSample.detection_id == Detection.id)
            .where(
                TrainingSample.dataset_id == dataset.id,
                TrainingSample.split.in_(("train", "val")),
                Detection.object_id.in_(chunk),
            )
        )
        seen |= set(session.scalars(query))
    return [item for item in items if item.object_id is None or item.object_id not in seen]


def _against_predecessor(
    session: Session, items: list[RandomItem], champion: Model, before: Model
) -> HealthFinding:
    """Compare both on the items that both scored and neither's training saw."""
    from astrid_assets.learning.gate.health import judge_predecessor

    new_to_both = {item.detection_id for item in new_items(session, before)}
    both = scored_items(
        session, [i for i in items if i.detection_id in new_to_both], champion, before
    )
    found = judge_predecessor(both.scores, both.others, both.labels, both.groups)
    return replace(found, reason=f"against its predecessor: {found.reason}")


def scored_items(
    session: Session, items: list[RandomItem], model: Model, other: Model
) -> ScoredItems:
    """Return the items that two models scored; one of them may be given twice."""
    scores: dict[tuple[str, str], float] = {}
    for chunk in in_chunks([item.detection_id for item in items]):
        query = select(
            DetectionScore.detection_id, DetectionScore.model_id, DetectionScore.score
        ).where(
            DetectionScore.detection_id.in_(chunk),
            DetectionScore.model_id.in_({model.id, other.id}),
        )
        scores |= {(row[0], row[1]): row[2] for row in session.execute(query)}
    both = [
        item
        for item in items
        if (item.detection_id, model.id) in scores and (item.detection_id, other.id) in scores
    ]
    return ScoredItems(
        np.array([scores[item.detection_id, model.id] for item in both], dtype=np.float64),
        np.array([scores[item.detection_id, other.id] for item in both], dtype=np.float64),
        np.array([item.label == "real" for item in both], dtype=bool),
        np.array([item.object_id or item.detection_id for item in both], dtype=str),
    )


def _own_figure(session: Session, champion: Model) -> Interval | None:
    """Return the ROC AUC at its deployment, else that of its training's test split."""
    from astrid_assets.learning.metrics.intervals import Interval

    deployed = models.deployment_of(session, champion)
    card = deployed.metrics.get("card") if deployed else None
    figure = card.get("figure") if card else None
    found = figure["roc_auc"] if figure else champion.metrics.get("model", {}).get("roc_auc")
    return Interval(**found) if found else None
