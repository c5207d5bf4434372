"""Calibrations of a model's surveys: fitted on the val split, kept with it, applied.

The ONNX file holds the common calibration alone; a survey's own one is applied where a
night's scores are written.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from astrid_assets.storage.review.random_sample import drawn_at_random

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.learning.survey_calibration import OwnCalibration, SurveyCalibration
    from astrid_assets.steps.learning.opening import DatasetArrays
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import Model

FloatT = TypeVar("FloatT", np.float32, np.float64)

SURVEYS = "surveys"
"""Where a model's metrics keep the calibrations of its surveys."""


def calibrate_surveys(
    tools: Tools,
    arrays: DatasetArrays,
    scores: NDArray[np.float64],
    *,
    prevalence: float,
    threshold: float,
) -> dict[str, SurveyCalibration]:
    """Return the calibration of each survey of a dataset version.

    Parameters
    ----------
    scores : (k,)
        Scores of the val split, in its order.
    prevalence, threshold
        Those of the common calibration.
    """
    from astrid_assets.learning.survey_calibration import calibrate_survey

    # Polars, which a night does not need.
    from astrid_assets.steps.learning.evaluate import groups_of_rows

    rows = arrays.indices("val")
    samples = arrays.samples[rows]
    ids = samples["detection_id"].to_list()
    with tools.catalogue.read() as session:
        at_random = drawn_at_random(session, ids)
    is_random = np.array([id_ in at_random for id_ in ids], dtype=bool)
    surveys = samples["survey"].to_numpy().astype(str)
    groups = groups_of_rows(arrays, rows)
    found = {}
    for survey in sorted(arrays.samples["survey"].unique().to_list()):
        own = is_random & (surveys == survey)
        found[survey] = calibrate_survey(
            scores[own],
            arrays.is_real[rows][own],
            groups[own],
            prevalence=prevalence,
            threshold=threshold,
        )
    return found


def kept_form(calibrations: dict[str, SurveyCalibration], threshold: float) -> dict[str, object]:
    """Return what the model's metrics keep of them, by survey."""
    return {
        survey: asdict(one)
        | {
            "reason": one.reason,
            "network_threshold": one.own.network_score(threshold) if one.own else threshold,
        }
        for survey, one in calibrations.items()
    }


def own_calibration(model: Model, survey: str) -> OwnCalibration | None:
    """Return the survey's own calibration of a model; None: the common one."""
    from astrid_assets.learning.survey_calibration import OwnCalibration

    own = (model.metrics.get(SURVEYS) or {}).get(survey, {}).get("own")
    return OwnCalibration(own["temperature"], own["offset"]) if own else None


def as_in_nights(
    model: Model, scores: NDArray[FloatT], surveys: NDArray[np.str_]
) -> NDArray[FloatT]:
    """Return a model's scores by each survey's own calibration, where it has one.

    Parameters
    ----------
    scores, surveys : (n,)
        Score by the common calibration, and the survey of the detection.
    """
    found = scores.copy()
    for survey in np.unique(surveys).tolist():
        own = own_calibration(model, survey)
        if own is not None:
            inside = surveys == survey
            found[inside] = own.scores(scores[inside])
    return found
