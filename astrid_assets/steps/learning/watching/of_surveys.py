"""The freshness of a survey: do frames still come, and are they searched.

Dagster's freshness policies know the newest event of an asset over all its partitions: one
survey that runs would hide another that has stopped, and the daily schedule makes an event
of unchanged nights too. So the nightly assets have none, and each survey is looked at here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.learning.random_health import HealthFigure
from astrid_assets.storage.queries import freshness

if TYPE_CHECKING:
    import datetime as dt

    from sqlalchemy.orm import Session

    from astrid_assets.steps.learning.watching.settings import HealthSettings

DAY_S = 86_400


def figures_of_survey(
    session: Session, survey: str, settings: HealthSettings, when: dt.datetime
) -> list[HealthFigure]:
    """Return how long ago frames came, and how long the oldest ones wait for a search.

    Parameters
    ----------
    survey
        One that has frames.

    Returns
    -------
    figures : ``frames_age_d``, not judged for a survey that is over; ``search_delay_d``
    """
    newest = freshness.newest_frames_at(session, survey)
    waiting = freshness.nights_to_search(session, survey)
    age = (when - newest).total_seconds() / DAY_S
    is_over = age > settings.survey_over_after_d
    delay = 0.0 if waiting.since is None else (when - waiting.since).total_seconds() / DAY_S
    return [
        HealthFigure(
            "frames_age_d",
            1,
            age,
            limit=settings.max_frames_age_d,
            passed=None if is_over else age <= settings.max_frames_age_d,
            detail=f"the newest frames came {age:.1f} days ago"
            + (", so the survey is taken to be over" if is_over else ""),
        ),
        HealthFigure(
            "search_delay_d",
            waiting.n,
            delay,
            limit=settings.max_search_delay_d,
            passed=delay <= settings.max_search_delay_d,
            detail=f"{waiting.n} nights with frames were never searched"
            + (f", the first of them for {delay:.1f} days" if waiting.n else ""),
        ),
    ]
