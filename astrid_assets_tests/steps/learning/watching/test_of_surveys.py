"""Whether frames of a survey still come, and whether they are searched."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from astrid_assets.steps.learning.watching.of_surveys import figures_of_survey
from astrid_assets.steps.learning.watching.settings import HealthSettings
from astrid_assets.storage.database.tables.nights import NightSummary
from astrid_assets.storage.queries import freshness
from astrid_assets_tests.catalogues import new_catalogue

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

NOON = dt.datetime(2026, 3, 31, 12, tzinfo=dt.UTC)


def finished(survey: str, night: str, asset: str, days_ago: float) -> NightSummary:
    return NightSummary(
        survey=survey,
        night=night,
        asset=asset,
        summary={},
        input_hash="h",
        finished_at=NOON - dt.timedelta(days=days_ago),
    )


def test_a_survey_that_stopped_is_seen_behind_one_that_runs(tmp_path: Path) -> None:
    catalogue = new_catalogue(tmp_path)
    ingested, searched = "raw_observations", "detections"
    with catalogue.begin() as session:
        session.add_all(
            [
                finished("runs", "2026-03-30", ingested, 0.5),
                finished("runs", "2026-03-30", searched, 0.4),
                # Searched again today, as the daily schedule does: no frames came by that.
                finished("stopped", "2026-03-01", ingested, 29.0),
                finished("stopped", "2026-03-01", searched, 0.1),
                finished("over", "2019-05-01", ingested, 400.0),
                finished("over", "2019-05-01", searched, 400.0),
                finished("late", "2026-03-20", ingested, 10.0),
                finished("late", "2026-03-29", ingested, 1.0),
            ]
        )
    found = {}
    with catalogue.read() as session:
        for survey in freshness.surveys_with_frames(session):
            age, delay = figures_of_survey(session, survey, HealthSettings(), NOON)
            found[survey] = (age.value, age.passed, delay.n, delay.value, delay.passed)
    assert found == {
        "runs": (0.5, True, 0, 0.0, True),
        "stopped": (29.0, False, 0, 0.0, True),
        "over": (400.0, None, 0, 0.0, True),
        "late": (1.0, True, 2, 10.0, False),
    }
    catalogue.close()
