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


@dataclass(frozen=True)
class RandomLook:
    """Random items of a survey that a model scored and never saw, and the newest look at them."""

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
    from astrid_assets.steps.learning.health import new_items, scored_items

    items = new_items(session, model)
    inside = watching.of_survey(session, [item.detection_id for item in items], survey)
    scored = scored_items(
        session, [item for item in items if item.detection_id in inside], model, model
    )
    return RandomLook(scored, last_look(len(scored.labels)))
