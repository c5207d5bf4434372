"""The health of models, surveys, labels and datasets: measured, kept, recorded in MLflow."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from astrid_assets.learning.random_health import (
    HealthFigure,
    calibration_error_of,
    calibration_of,
    errors_of,
    purity_of,
)
from astrid_assets.steps.learning.watching.of_labels import figures_of_labels
from astrid_assets.steps.learning.watching.of_surveys import figures_of_survey
from astrid_assets.steps.learning.watching.random_look import random_look
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.watching import HealthNumber
from astrid_assets.storage.objects.cutout_files import read_cutout_file
from astrid_assets.storage.queries import freshness, models, newest_detections, watching

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from astrid_assets.steps.learning.watching.settings import HealthSettings
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import Model
    from astrid_assets.tracking.client import Tracking

EXPERIMENT = "health"
TIMED_CUTOUTS = 256


def measure_health(
    tools: Tools, tracking: Tracking, settings: HealthSettings, tags: Mapping[str, str]
) -> list[HealthNumber]:
    """Measure the health of surveys, of their champions and of the labels; keep all numbers.

    Returns
    -------
    rows : as they are kept; ``passed`` is False for those beyond their limits
    """
    when = now()
    rows = []
    with tools.catalogue.read() as session:
        figures = [("", None, figure) for figure in figures_of_labels(session, settings, when)]
        for survey in freshness.surveys_with_frames(session):
            found = figures_of_survey(session, survey, settings, when)
            figures += [(survey, None, figure) for figure in found]
        for survey in newest_detections.surveys_with_detections(session):
            model = models.champion_of_survey(session, survey)
            if model is not None:
                found = [*_of_model(session, model, survey, settings)]
                found += _latency(tools, session, model, survey, settings)
                figures += [(survey, model.id, figure) for figure in found]
    for survey, model_id, figure in figures:
        values = asdict(figure)
        rows.append(
            HealthNumber(
                survey=survey,
                model_id=model_id,
                number=values.pop("name"),
                measured_at=when,
                **values,
            )
        )
    with tracking.start_run(
        f"health_{when:%Y-%m-%d_%H%M%S}", experiment=EXPERIMENT, tags=dict(tags)
    ) as active:
        active.log_metrics(
            {
                "/".join(filter(None, (row.survey, row.number))): row.value
                for row in rows
                if row.value is not None
            }
        )
    with tools.catalogue.begin() as session:
        session.add_all(rows)
        session.flush()
        session.expunge_all()
    return rows


def _of_model(
    session: Session, model: Model, survey: str, settings: HealthSettings
) -> list[HealthFigure]:
    """Return errors, purity and calibration on the newest look at random items."""
    found = random_look(session, model, survey)
    if found.look is None:
        lacking = f"{found.n} random items that the model never saw have a label"
        return [HealthFigure(name, found.n, detail=lacking) for name in watching.ON_RANDOM_ITEMS]
    scores, real, level = found.scores, found.labels, settings.level * found.look.share
    called = scores >= model.threshold
    figures = [
        purity_of(scores, real, called, level),
        calibration_of(scores, real, level),
        calibration_error_of(scores, real, level, found.groups),
    ]
    shares = model.metrics.get("shares") or {}
    complete, false = shares.get("completeness"), shares.get("false_positive_rate")
    if complete and false:
        missed = 1 - float(complete["low"])
        figures.append(errors_of(called, real, missed, float(false["high"]), level))
    return figures


def _latency(
    tools: Tools, session: Session, model: Model, survey: str, settings: HealthSettings
) -> list[HealthFigure]:
    """Return the time to score a cutout here and now, on the newest cutouts of the survey."""
    from astrid_assets.learning.inference import OnnxScorer

    stored = newest_detections.newest_of_survey(session, survey, TIMED_CUTOUTS)
    if not stored:
        return []
    (key, _), *_ = Counter(one.key for one in stored).most_common(1)
    cutouts = read_cutout_file(tools.store.get(key)).pixels[:TIMED_CUTOUTS]
    scorer = OnnxScorer(tools.store.get(model.onnx_key))
    scorer.score(cutouts[:1])  # the first run sets things up
    begun = time.perf_counter()
    scorer.score(cutouts)
    took = 1000 * (time.perf_counter() - begun) / len(cutouts)
    return [
        HealthFigure(
            "ms_per_cutout",
            len(cutouts),
            took,
            limit=settings.max_ms_per_cutout,
            passed=took <= settings.max_ms_per_cutout,
            detail=f"{took:.2f} ms to score a cutout",
        )
    ]
