"""The newest look at random items of a survey: what errors, purity and calibration are of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.storage.queries import watching

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from astrid_assets.learning.gate.health import Look
    from astrid_assets.steps.learning.health import ScoredItems
    from astrid_assets.storage.database.tables.learning import Model

SHOWN_DRAWS = 4000
"""Draws that a page reads, however many there are: ten windows, for surveys that share them."""


@dataclass(frozen=True)
class RandomLook:
    """Random items of a survey that a model scored and never saw, and which of them count."""

    items: ScoredItems
    look: Look | None
    """None: too few items yet."""

    @property
    def n(self) -> int:
        """Items, in the look or not."""
        return len(self.items.labels)

    @property
    def scores(self) -> NDArray[np.float64]:
        """Scores of those in the look, (n,); all of them before the first one."""
        return self.items.scores[self._inside]

    @property
    def labels(self) -> NDArray[np.bool_]:
        """Their labels, (n,), True for real."""
        return self.items.labels[self._inside]

    @property
    def groups(self) -> NDArray[np.str_]:
        """Their objects, (n,)."""
        return self.items.groups[self._inside]

    @property
    def _inside(self) -> slice:
        return slice(self.look.start, self.look.stop) if self.look else slice(None)


def random_look(session: Session, model: Model, survey: str) -> RandomLook:
    """Return the newest look at random items of a survey that are new to a model."""
    from astrid_assets.learning.gate.health import last_look

    scored = _scored(session, model, survey)
    return RandomLook(scored, last_look(len(scored.labels)))


def newest_random(session: Session, model: Model, survey: str) -> RandomLook:
    """Return the newest random items of a survey, for a page: no test, and bounded.

    At most a window of them, of the newest `SHOWN_DRAWS` draws of all surveys.
    """
    from astrid_assets.learning.gate.health import LOOKS, WINDOW, Look

    scored = _scored(session, model, survey, SHOWN_DRAWS)
    n = len(scored.labels)
    return RandomLook(scored, Look(max(n - WINDOW, 0), n, 1.0) if n >= LOOKS[0] else None)


def _scored(
    session: Session, model: Model, survey: str, newest_draws: int | None = None
) -> ScoredItems:
    from astrid_assets.steps.learning.health import new_items, scored_items

    items = new_items(session, model, newest_draws)
    inside = watching.of_survey(session, [item.detection_id for item in items], survey)
    of_it = [item for item in items if item.detection_id in inside]
    return scored_items(session, of_it, model, model)
