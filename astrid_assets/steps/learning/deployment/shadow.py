"""A challenger in the shadow: it scores the newest detections beside the champion, unseen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from astrid_assets.learning.inference import UnusableModel
from astrid_assets.steps.learning.deployment.newest_nights import newest_cutouts, night_scores
from astrid_assets.steps.learning.evaluate import open_scorer

if TYPE_CHECKING:
    from astrid_assets.learning.shadow import ShadowComparison
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import Model


def score_in_shadow(
    tools: Tools, model: Model, champion: Model | None, scope: str
) -> ShadowComparison | None:
    """Compare a model with the champion on the newest detections of a scope.

    None where no survey of the scope has detections yet; the model is opened all the same.

    Raises
    ------
    UnusableModel
        If it cannot be opened, or gives scores that are no numbers: nobody may force it.
    """
    from astrid_assets.learning.shadow import compare_in_shadow

    scorer = open_scorer(tools, model)
    newest = newest_cutouts(tools, scope)
    if newest is None:
        return None
    start = time.perf_counter()
    scores = night_scores(model, newest, scorer)
    seconds = time.perf_counter() - start
    before = None
    if champion is not None:
        before = night_scores(champion, newest, open_scorer(tools, champion))
    found = compare_in_shadow(
        scores,
        model.threshold,
        before,
        champion.threshold if champion else 1.0,
        seconds=seconds,
    )
    if found.n_finite < found.n:
        raise UnusableModel(
            f"{found.n - found.n_finite} of {found.n} scores of the newest detections by "
            f"{model.name} version {model.version} are no numbers: train again"
        )
    return found
