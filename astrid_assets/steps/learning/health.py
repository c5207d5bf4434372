"""The health of the model in force on random items; the statistics are in `learning.gate.health`.

Judged are items of the random sample, answered before the score was shown, on detections of
objects that the training never saw, by the scores that were kept when they were detected.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import exists, select

from astrid_assets.storage.database.tables.detections import Detection, DetectionScore
from astrid_assets.storage.database.tables.learning import (
    TrainingDataset,
    TrainingRun,
    TrainingSample,
)
from astrid_assets.storage.queries import models
from astrid_assets.storage.queries.observations import BY_INDEX, in_chunks
from astrid_assets.storage.review.random_sample import count_draws, random_items

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from astrid_assets.learning.gate.health import Draws, HealthFinding
    from astrid_assets.learning.metrics.intervals import Interval
    from astrid_assets.storage.database.tables.learning import Model
    from astrid_assets.storage.review.random_sample import RandomItem

MOST_DRAWS = 800
"""Draws that a tick reads before the newest look: two windows, so that one is full where half of
them are of objects that the training saw."""


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
    """Random items that two models scored, oldest first, (n,) each.

    `draws`: what gave them; None where all draws are looked at.
    """

    items: list[RandomItem]
    scores: NDArray[np.float64]
    others: NDArray[np.float64]
    labels: NDArray[np.bool_]
    groups: NDArray[np.str_]
    draws: Draws | None = None


@dataclass(frozen=True)
class NewestDraws:
    """The items of the newest random draws after an event; `count`: of all draws after it."""

    items: list[RandomItem]
    count: int
    after: int


def champion_health(session: Session, champion: Model) -> ChampionHealth:
    """Judge the champion on the newest random items that are new to it.

    However long it has been in force, no more than `MOST_DRAWS` are read.
    """
    from astrid_assets.learning.gate.health import judge_fall

    own, before = _own_figure(session, champion), models.previous(session)
    dataset = _dataset_of(session, champion)
    newest = _newest_draws(session, _last_known(dataset))
    newest = replace(newest, items=_unseen(session, newest.items, dataset))
    fall = None
    if own is not None:
        mine = _scored_draws(session, newest, champion, champion)
        fall = judge_fall(mine.scores, mine.labels, own, mine.groups, draws=mine.draws)
    return ChampionHealth(
        fall,
        None if before is None else _against_predecessor(session, newest, champion, before),
        models.number_to_follow(session),
    )


def new_items(session: Session, model: Model, newest_draws: int | None = None) -> list[RandomItem]:
    """Return random items whose objects a model's training never saw, oldest first.

    Parameters
    ----------
    newest_draws
        Only items of so many newest draws; None: of all draws since the training.
    """
    dataset = _dataset_of(session, model)
    after = _last_known(dataset)
    first = 0 if newest_draws is None else max(count_draws(session, after) - newest_draws, 0)
    return _unseen(session, random_items(session, after, first), dataset)


def _newest_draws(session: Session, after: int) -> NewestDraws:
    from astrid_assets.learning.gate.health import last_look

    count = count_draws(session, after)
    look = last_look(count)
    stop = look.stop if look else count
    items = random_items(session, after, max(stop - MOST_DRAWS, 0), stop)
    return NewestDraws(items, count, after)


def _scored_draws(session: Session, newest: NewestDraws, model: Model, other: Model) -> ScoredItems:
    """Return the items that two models scored, with the draws that gave them."""
    from astrid_assets.learning.gate.health import Draws

    scored = scored_items(session, newest.items, model, other)
    return replace(scored, draws=Draws([item.draw for item in scored.items], newest.count))


def _last_known(dataset: TrainingDataset | None) -> int:
    """Return the newest event that a dataset knows; 0 where it is not known."""
    return dataset.last_sequence if dataset else 0


def _dataset_of(session: Session, model: Model) -> TrainingDataset | None:
    """Return the dataset that a model was trained on; None where it is not known."""
    run = session.get(TrainingRun, model.training_run_id) if model.training_run_id else None
    return session.get(TrainingDataset, run.dataset_id) if run else None


def _unseen(
    session: Session, items: list[RandomItem], dataset: TrainingDataset | None
) -> list[RandomItem]:
    """Return the items whose objects are in neither train nor val split of a dataset."""
    if dataset is None:
        return items
    is_trained_on = exists().where(
        TrainingSample.dataset_id == dataset.id,
        TrainingSample.detection_id == Detection.id,
        TrainingSample.split.in_(("train", "val")),
    )
    objects = {item.object_id for item in items if item.object_id is not None}
    seen: set[str | None] = set()
    # An object has several detections, each of which is looked up.
    for chunk in in_chunks(objects, BY_INDEX // 2):
        query = select(Detection.object_id).where(Detection.object_id.in_(chunk), is_trained_on)
        seen |= set(session.scalars(query))
    return [item for item in items if item.object_id is None or item.object_id not in seen]


def _against_predecessor(
    session: Session, newest: NewestDraws, champion: Model, before: Model
) -> HealthFinding:
    """Compare both on the newest items that both scored and neither's training saw.

    `newest`: those that the champion's training did not see.
    """
    from astrid_assets.learning.gate.health import judge_predecessor

    dataset = _dataset_of(session, before)
    if _last_known(dataset) > newest.after:
        newest = _newest_draws(session, _last_known(dataset))
        newest = replace(
            newest, items=_unseen(session, newest.items, _dataset_of(session, champion))
        )
    newest = replace(newest, items=_unseen(session, newest.items, dataset))
    both = _scored_draws(session, newest, champion, before)
    found = judge_predecessor(both.scores, both.others, both.labels, both.groups, draws=both.draws)
    return replace(found, reason=f"against its predecessor: {found.reason}")


def scored_items(
    session: Session, items: list[RandomItem], model: Model, other: Model
) -> ScoredItems:
    """Return the items that two models scored; one of them may be given twice."""
    scores: dict[tuple[str, str], float] = {}
    for chunk in in_chunks([item.detection_id for item in items], BY_INDEX):
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
        both,
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
