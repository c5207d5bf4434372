"""How many injected transients of the newest nights two models keep, scored now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.steps.learning.evaluate import open_scorer
from astrid_assets.steps.learning.shards import CutoutReader
from astrid_assets.steps.learning.survey_calibrations import as_in_nights
from astrid_assets.storage.queries import injections, models

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from astrid_assets.learning.gate.checks import Check
    from astrid_assets.learning.gate.settings import GateSettings
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import Model
    from astrid_assets.storage.queries.injections import InjectedCutout

MOST_PER_SURVEY = 1000
"""Injected transients of each survey, the newest night first: an equal model is then passed,
and one that loses 5 in 100 found out, where two models differ on one in ten."""


def injections_check(
    tools: Tools,
    challenger: Model,
    champion: Model | None,
    settings: GateSettings,
    scope: str,
) -> Check:
    """Compare what two models keep of the injected transients of a scope, each at its threshold.

    Parameters
    ----------
    champion
        None before the first model.
    scope
        A survey; empty: every survey without a champion of its own.
    """
    from astrid_assets.learning.gate.injections import KeptInjections, keeps_injections

    with tools.catalogue.read() as session:
        surveys = injections.surveys_with_injections(session)
        rows = [
            row
            for survey in models.surveys_of_scope(session, scope, surveys)
            for row in injections.newest_injections(session, survey, MOST_PER_SURVEY)
        ]
    both = [challenger] if champion is None else [challenger, champion]
    kept = _kept(tools, both, rows)
    frames = np.array([row.difference_id for row in rows], dtype=np.str_)
    return keeps_injections(
        KeptInjections(kept[0], None if champion is None else kept[1], frames), settings
    )


def _kept(tools: Tools, both: Sequence[Model], rows: Sequence[InjectedCutout]) -> NDArray[np.bool_]:
    """Return whether each model's score reaches its threshold, ``(models, n)``."""
    kept = np.zeros((len(both), len(rows)), dtype=bool)
    at: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        at.setdefault(row.key, []).append(number)
    scorers = [open_scorer(tools, model) for model in both] if rows else []
    with CutoutReader(tools.store) as reader:
        # A frame at a time: a thousand cutouts of each survey are not held at once.
        for key, numbers in at.items():
            cutouts = reader.read([(key, rows[number].index) for number in numbers])
            surveys = np.array([rows[number].survey for number in numbers], dtype=np.str_)
            for which, (model, scorer) in enumerate(zip(both, scorers, strict=True)):
                found = scorer.score(cutouts.pixels, cutouts.measurements)
                kept[which, numbers] = as_in_nights(model, found, surveys) >= model.threshold
    return kept
