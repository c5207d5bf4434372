"""The queue as pages and the API use it: kept up to date, drawn from, spoken to."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from astrid_assets.science.labelling.rules import DEFAULT_RULES
from astrid_assets.storage.review.positions import open_night, stale_nights
from astrid_assets.storage.review.queue import Drawn, QueueRequest, draw
from astrid_assets.storage.review.views import rules_of

if TYPE_CHECKING:
    import datetime as dt

    from astrid_assets.storage.database.catalogue import Catalogue

LOOK_EVERY_S = 20.0  # for nights whose detections are new; a look costs milliseconds


@dataclass
class QueueWatch:
    """Remembers when this process last looked for new detections."""

    _looked_at: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep_up(self, catalogue: Catalogue) -> int:
        """Give new detections their positions in the queue, one night per transaction.

        Returns how many nights had changed. No Dagster process is needed for it.
        """
        with self._lock:
            if time.monotonic() - self._looked_at < LOOK_EVERY_S:
                return 0
            with catalogue.read() as session:
                stale = stale_nights(session)
            for survey, night in stale:
                with catalogue.begin() as session:
                    open_night(session, survey, night)
            self._looked_at = time.monotonic()
        return len(stale)


def lease_next(
    catalogue: Catalogue, request: QueueRequest, count: int, when: dt.datetime
) -> list[Drawn]:
    """Lease the next candidates to a reviewer, by the rules of the survey asked for.

    Across surveys the default shares count.
    """
    with catalogue.begin() as session:
        rules = rules_of(session, request.survey) if request.survey else DEFAULT_RULES
        return draw(session, request, count, rules, when, LOT)


LOT = random.SystemRandom()
