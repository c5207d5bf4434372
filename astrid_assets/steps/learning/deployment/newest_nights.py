"""The newest detections of each survey, and a model's scores of them, as nights get them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.steps.learning.shards import CutoutReader
from astrid_assets.steps.learning.survey_calibrations import as_in_nights
from astrid_assets.storage.queries import models, newest_detections

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.learning.inference import OnnxScorer
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import Model
    from astrid_assets.storage.objects.cutout_files import MeasuredCutouts
    from astrid_assets.storage.queries.newest_detections import StoredCutout

MOST_PER_SURVEY = 1000
"""Detections of each survey, the newest night first: 12 MB of cutouts for every 250."""


@dataclass(frozen=True)
class NewestCutouts:
    """Detections of the newest nights with their cutouts.

    Attributes
    ----------
    rows
        Which detections, in order.
    cutouts
        n of them.
    """

    rows: list[StoredCutout]
    cutouts: MeasuredCutouts

    @property
    def surveys(self) -> NDArray[np.str_]:
        """(n,), the survey of each."""
        return np.array([row.survey for row in self.rows], dtype=np.str_)


def newest_cutouts(tools: Tools, scope: str) -> NewestCutouts | None:
    """Return the newest detections that a champion of a scope scores; None where none are.

    Parameters
    ----------
    scope
        A survey; empty: every survey without a champion of its own.
    """
    with tools.catalogue.read() as session:
        surveys = newest_detections.surveys_with_detections(session)
        rows = [
            row
            for survey in models.surveys_of_scope(session, scope, surveys)
            for row in newest_detections.newest_of_survey(session, survey, MOST_PER_SURVEY)
        ]
    if not rows:
        return None
    with CutoutReader(tools.store) as reader:
        return NewestCutouts(rows, reader.read([(row.key, row.index) for row in rows]))


def night_scores(model: Model, newest: NewestCutouts, scorer: OnnxScorer) -> NDArray[np.float32]:
    """Return a model's scores, (n,), by each survey's own calibration where it has one."""
    scores = scorer.score(newest.cutouts.pixels, newest.cutouts.measurements)
    return as_in_nights(model, scores, newest.surveys)
