"""The health of labels and datasets: backlog, agreement, age, quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.learning.random_health import HealthFigure
from astrid_assets.storage.queries import datasets
from astrid_assets.storage.review import labels, queue, reviewer_stats

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.orm import Session

    from astrid_assets.steps.learning.watching.settings import HealthSettings

DAY_S = 86_400
WAITING = ("new", "sample", "second", "disputed")


def figures_of_labels(
    session: Session, settings: HealthSettings, when: dt.datetime
) -> list[HealthFigure]:
    """Return backlog, agreement and age of the labels, and the quality of the dataset."""
    counts = queue.waiting(session)
    waiting = sum(counts.get(state, 0) for state in WAITING)
    agreed = reviewer_stats.agreement(session)
    newest = labels.newest_answer_at(session)
    dataset = datasets.newest_dataset(session)
    found = [
        HealthFigure(
            "backlog",
            waiting,
            waiting,
            limit=settings.max_backlog,
            passed=waiting <= settings.max_backlog,
            detail=f"{waiting} detections wait for reviewers",
        ),
    ]
    if agreed.fleiss is not None:
        found.append(
            HealthFigure(
                "kappa",
                agreed.doubly_reviewed,
                agreed.fleiss,
                limit=settings.min_kappa,
                passed=agreed.fleiss >= settings.min_kappa,
                detail=f"reviewers agree with kappa {agreed.fleiss:.2f} on "
                f"{agreed.doubly_reviewed} detections",
            )
        )
    if newest is not None:
        age = (when - newest).total_seconds() / DAY_S
        found.append(
            HealthFigure(
                "label_age_d",
                1,
                age,
                limit=settings.max_label_age_d,
                passed=age <= settings.max_label_age_d,
                detail=f"the newest answer of a reviewer is {age:.1f} days old",
            )
        )
    if dataset is not None:
        found.append(
            HealthFigure(
                "quality_score",
                dataset.total_samples,
                dataset.quality_score,
                limit=settings.min_quality_score,
                passed=dataset.quality_score >= settings.min_quality_score,
                detail=f"dataset {dataset.id[:8]} has the quality score "
                f"{dataset.quality_score:.2f}",
            )
        )
    return found
