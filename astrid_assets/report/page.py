"""The report as one HTML file with its pictures inside; it loads nothing."""

from __future__ import annotations

import base64
import datetime as dt
import math
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import numpy as np
from markupsafe import Markup
from sqlalchemy import select

from astrid_assets.pictures.plots import (
    completeness_curve,
    light_curve_plot,
    training_curves,
)
from astrid_assets.pictures.thumbnails import cutout_sheet
from astrid_assets.report.summary import Report, SurveyPart, collect_report
from astrid_assets.science.quality.difference_numbers import DIFFERENCE_NUMBERS
from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.science.quality.gate import value_in_words
from astrid_assets.science.quality.numbers import by_name
from astrid_assets.science.quality.printing import as_html
from astrid_assets.steps.learning.collect import read_cutouts
from astrid_assets.storage.database.tables.detections import Detection, SkyObject
from astrid_assets.storage.database.tables.learning import TrainingSample
from astrid_assets.storage.queries import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.objects.object_store import ObjectStore

TEMPLATE = Path(__file__).with_name("template.html")
COMPLETE_ABOVE_SIGMA = 10.0
NIGHTS_WITH_PICTURES = 1
LIGHT_CURVES = 4
EXAMPLES_PER_CLASS = 9


def render_report(
    catalogue: Catalogue, store: ObjectStore, surveys: Sequence[str] | None = None
) -> tuple[Report, str]:
    """Return the report's values and its HTML page."""
    report = collect_report(catalogue, surveys)
    learning = report.learning
    run = learning.run
    metrics = dict(run.performance_metrics or {}) if run else None
    history = (metrics or {}).pop("history", None)
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.globals["value_in_words"] = value_in_words
    environment.globals["of_frame"] = by_name(FRAME_NUMBERS)
    environment.globals["of_difference"] = by_name(DIFFERENCE_NUMBERS)
    environment.filters["low_index"] = lambda text: Markup(as_html(text))  # noqa: S704  escaped
    html = environment.from_string(TEMPLATE.read_text("utf-8")).render(
        catalogue=catalogue.url,
        written=dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        totals={
            name: sum(survey.total(name) for survey in report.surveys)
            for name in ("frames", "accepted", "detections")
        },
        completeness=overall_completeness(report),
        champion=learning.champion and f"{learning.champion.name} v{learning.champion.version}",
        surveys=[_survey(catalogue, store, part) for part in report.surveys],
        dataset=learning.dataset,
        samples_png=_samples(catalogue, store, learning.dataset.id) if learning.dataset else None,
        evaluation=metrics,
        curves_png=_uri(training_curves(history)) if history else None,
        deployments=learning.deployments,
    )
    return report, html


def overall_completeness(report: Report) -> float | None:
    """Return the found share of the known changes at and above 10 sigma."""
    injected = found = 0
    for survey in report.surveys:
        if survey.truth is None:
            continue
        for low, known, seen in zip(
            survey.truth.edges, survey.truth.injected, survey.truth.found, strict=False
        ):
            if low >= COMPLETE_ABOVE_SIGMA:
                injected, found = injected + known, found + seen
    return found / injected if injected else None


SHOWN = ("name", "nights", "truth", "purity", "numbers", "gates", "injections", "undated")
"""Fields of a survey's part that are shown unchanged."""


def bin_labels(edges: Sequence[float]) -> list[str]:
    """Return ``5–7`` and so on for the bins between edges."""
    return [
        f"{low:g}–{high:g}" if math.isfinite(high) else f"≥ {low:g}"
        for low, high in pairwise(edges)
    ]


def _survey(catalogue: Catalogue, store: ObjectStore, part: SurveyPart) -> dict[str, object]:
    truth = part.truth
    shown = [night for night in part.nights if night.pictures][-NIGHTS_WITH_PICTURES:]
    return {
        **{name: getattr(part, name) for name in SHOWN},
        "injection_bins": bin_labels(part.injections.edges) if part.injections else [],
        "total": part.total,
        "bins": bin_labels(truth.edges) if truth else [],
        "completeness_png": _uri(completeness_curve(truth.edges, truth.found, truth.injected))
        if truth
        else None,
        "pictures": [
            (f"{night.night}: {caption}", _uri(store.get(key)))
            for night in shown
            for caption, key in night.pictures.items()
            if key.endswith(".png")  # light curves have plots of their own below
        ],
        "light_curves": list(_light_curves(catalogue, part.name)),
    }


def _light_curves(catalogue: Catalogue, survey: str) -> Iterator[str]:
    with catalogue.read() as session:
        for object_id in candidates.often_seen(session, survey, limit=LIGHT_CURVES):
            place = session.get_one(SkyObject, object_id)
            points = candidates.detections_of_object(session, object_id)
            yield _uri(
                light_curve_plot(
                    [point.observed_mjd for point in points],
                    [point.flux_e for point in points],
                    [point.flux_err_e for point in points],
                    f"{place.name}: RA {place.ra_deg:.5f}, Dec {place.dec_deg:+.5f}",
                )
            )


def _samples(catalogue: Catalogue, store: ObjectStore, dataset_id: str) -> str | None:
    places: list[tuple[str, int]] = []
    with catalogue.read() as session:
        for is_real in (True, False):
            rows = session.execute(
                select(Detection.cutout_key, Detection.cutout_index, TrainingSample)
                .join(TrainingSample, TrainingSample.detection_id == Detection.id)
                .where(TrainingSample.dataset_id == dataset_id)
                .order_by(TrainingSample.content_hash)
            )
            own = [
                (key, index)
                for key, index, sample in rows
                if sample.labels["is_anomaly"] is is_real
            ]
            places += own[:EXAMPLES_PER_CLASS]
    if not places:
        return None
    return _uri(cutout_sheet(np.asarray(read_cutouts(store, places)), columns=3))


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
