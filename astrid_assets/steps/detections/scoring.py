"""Scores of cutouts by a deployed model, in a worker process; the model is loaded once."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from astrid_assets.learning.inference import OnnxScorer
    from astrid_assets.learning.survey_calibration import OwnCalibration
    from astrid_assets.science.labelling.score_limits import ScoreLimits
    from astrid_assets.storage.objects.cutout_files import MeasuredCutouts
    from astrid_assets.storage.objects.object_store import ObjectStore


def model_scores(
    store: ObjectStore,
    model_key: str,
    calibration: OwnCalibration | None,
    cutouts: MeasuredCutouts,
) -> NDArray[np.float32]:
    """Return the probability of being real of each cutout, ``(n,)``.

    Parameters
    ----------
    model_key
        Object key of the ONNX file.
    calibration
        The survey's own; None: the model's common one.
    cutouts : n
    """
    scores = _scorer(store, model_key).score(cutouts.pixels, cutouts.measurements)
    return scores if calibration is None else calibration.scores(scores)


def opinion_counts(limits: ScoreLimits, scores: Sequence[float]) -> dict[str, object]:
    """Return how many detections a model calls real, and about how many it does not decide."""
    said = Counter(limits.opinion(score) for score in scores)
    return {
        "called_real": said["real"],
        "not_decided": said["undecided"],
        "not_decided_share": round(said["undecided"] / len(scores), 4) if scores else None,
    }


@lru_cache(maxsize=2)
def _scorer(store: ObjectStore, model_key: str) -> OnnxScorer:
    # onnxruntime is loaded only by workers that score with a model.
    from astrid_assets.learning.inference import OnnxScorer

    return OnnxScorer(store.get(model_key))
