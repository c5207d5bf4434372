"""A night is measured against the first nights that its model scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import select, update

from astrid_assets.sensors.retraining import settings_of_the_environment
from astrid_assets.steps.learning.retraining.decision import should_retrain
from astrid_assets.steps.learning.retraining.facts import facts_of
from astrid_assets.steps.learning.watching.night import REFERENCE_NIGHTS, watch_night
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection
from astrid_assets.storage.database.tables.watching import NightDrift
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.sensors.labelled import add_dataset, deploy
from astrid_assets_tests.storage.crowd import crowded_night

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

    from astrid_assets.science.quality.gate import Verdict
    from astrid_assets.storage.database.catalogue import Catalogue

pytestmark = pytest.mark.slow


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    made = new_catalogue(tmp_path)
    yield made
    made.close()


def scored(
    session: Session, number: int, model_id: str, *, blur: float = 0.0
) -> tuple[Verdict, ...]:
    """Add a night whose candidates are 3 pixels wide, or wider, and watch it."""
    night = f"2025-03-{number + 1:02d}"
    made = crowded_night(session, night, 60, number=number, model_id=model_id)
    wide = np.random.default_rng(number).normal(3 + blur, 0.3, len(made))
    for id_, fwhm in zip(made, wide, strict=True):
        of_it = select(Detection.candidate_id).where(Detection.id == id_)
        session.execute(
            update(CandidateRow).where(CandidateRow.id.in_(of_it)).values(fwhm_px=float(fwhm))
        )
    return watch_night(session, "sim", night, model_id)


def test_lasting_drift_of_the_width_warns_and_lowers_the_labels_that_are_needed(
    catalogue: Catalogue,
) -> None:
    model_id = deploy(catalogue, add_dataset(catalogue, 0))
    with catalogue.begin() as session:
        early = [scored(session, number, model_id) for number in range(REFERENCE_NIGHTS)]
        assert all(verdict.value is None for night in early for verdict in night)
        assert f"{REFERENCE_NIGHTS - 1} earlier nights" in early[-1][1].detail
        first = REFERENCE_NIGHTS
        quiet = scored(session, first, model_id)
        blurred = [scored(session, first + n, model_id, blur=1.0) for n in (1, 2, 3)]
        row = session.get_one(NightDrift, ("sim", model_id, "fwhm_px", f"2025-03-{first + 2:02d}"))
        assert row.n == 60
        assert row.median == pytest.approx(4, abs=0.2)
        assert row.median_low == pytest.approx(4, abs=0.3)
        assert row.median_high == pytest.approx(4, abs=0.3)
        assert (row.median_low or 0) < (row.median_high or 0)
        facts = facts_of(session, now(), None, is_training=False)
    assert all(verdict.passed and not verdict.holds_back for verdict in quiet)
    for score, inputs in blurred:
        assert score.passed
        assert not inputs.passed
        assert "fwhm_px of 60 detections" in inputs.detail
    decision = should_retrain(facts, settings_of_the_environment())
    assert "fwhm_px of sim has drifted (2025-03-12 to 2025-03-14" in decision.reason
    assert "score of sim" not in decision.reason
    assert "20 needed" in decision.reason
