"""Rollbacks, refusals and lasting drift are reported once, whoever caused them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest

from astrid_assets.sensors.alerts import alerts
from astrid_assets.steps.learning.retraining.settings import RetrainingSettings
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import Deployment
from astrid_assets.storage.database.tables.watching import NightDrift
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.queries import models
from astrid_assets_tests.sensors.labelled import add_dataset, deploy

if TYPE_CHECKING:
    from astrid_assets.storage.database.catalogue import Catalogue


class Daemon:
    """Runs ticks with the cursor of the last one."""

    def __init__(self, catalogue: Catalogue, instance: dg.DagsterInstance) -> None:
        self.catalogue, self.instance = catalogue, instance
        self.cursor: str | None = None

    def tick(self) -> str:
        """Run a tick; returns what it said."""
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"catalogue": self.catalogue}
        ) as context:
            data = alerts.evaluate_tick(context)
        self.cursor = data.cursor
        return data.skip_message or ""


@pytest.mark.slow
def test_decisions_and_drift_are_reported_once(
    catalogue: Catalogue, instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    first = deploy(catalogue, add_dataset(catalogue, 0))
    daemon = Daemon(catalogue, instance)
    assert daemon.tick() == "nothing new to report"
    second = deploy(catalogue, add_dataset(catalogue, 0))
    assert daemon.tick() == "nothing new to report"
    with catalogue.begin() as session:
        number = models.number_to_follow(session)
        for action, reason, follows in (
            ("keep", "no gain that luck does not explain", None),
            ("rollback", "NaN", number),
        ):
            models.record_deployment(
                session,
                Deployment(
                    action=action,
                    model_id=first,
                    previous_model_id=second,
                    reason=reason,
                    metrics={},
                    created_at=now(),
                    follows=follows,
                ),
            )
    said = daemon.tick()
    assert "unet version 1 was not deployed\nno gain that luck does not explain" in said
    assert "unet version 1 is the champion again after a rollback\nNaN" in said
    assert "after a rollback" in caplog.text
    assert daemon.tick() == "nothing new to report"
    drift(catalogue, first, 0.0, 0.5, 0.5)
    assert daemon.tick() == "nothing new to report"
    drift(catalogue, first, 0.5, 0.5, 0.5)
    assert "score of sim has drifted (2025-03-01 to 2025-03-03" in daemon.tick()
    # It goes on, which is no news; when it comes back after a pause, it is.
    drift(catalogue, first, 0.5, 0.5, 0.5, 0.5)
    assert daemon.tick() == "nothing new to report"
    drift(catalogue, first, 0.5, 0.5, 0.5, 0.0)
    assert daemon.tick() == "nothing new to report"
    drift(catalogue, first, 0.5, 0.5, 0.5, 0.5)
    assert "has drifted" in daemon.tick()


def drift(catalogue: Catalogue, model_id: str, *effects: float) -> None:
    """Let the scores of nights differ by so much."""
    assert len(effects) >= RetrainingSettings().drift_nights
    rows = [
        NightDrift(
            survey="sim",
            model_id=model_id,
            number="score",
            night=f"2025-03-{day:02d}",
            n=100,
            n_reference=10,
            effect=effect,
            usual=0.1,
            measured_at=now(),
        )
        for day, effect in enumerate(effects, start=1)
    ]
    with catalogue.begin() as session:
        upsert(session, rows)
