"""Injected transients whose cutouts nights keep, scored by two stored models."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest

from astrid_assets.learning.gate.settings import GateSettings
from astrid_assets.steps.learning import injected
from astrid_assets.steps.learning.injected import injections_check
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.detections import InjectedTransientRow
from astrid_assets.storage.database.tables.learning import Deployment, Model
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.queries import models
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.steps.learning.labelled_sky import tools_of
from astrid_assets_tests.steps.learning.test_unseen import centre_model
from astrid_assets_tests.storage.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.steps.nights import Tools

SETTINGS = GateSettings(min_injections=20)
PER_FRAME = 40
CENTRES = np.linspace(-2.1, 5.7, PER_FRAME).astype(np.float32)
"""Central pixel of each cutout; where it is above 0, the score is above 1/2."""


def store_injections(tools: Tools, survey: str, night: str, *, current: bool = True) -> None:
    """Keep one cutout for every second transient of a frame, and rows of all."""
    cutouts = np.zeros((PER_FRAME, 3, 64, 64), np.float32)
    cutouts[:, 2, 32, 32] = CENTRES
    buffer = io.BytesIO()
    np.save(buffer, cutouts)
    key = tools.store.put(f"injected/{survey}/{night}", buffer.getvalue(), ".npy")
    with tools.catalogue.begin() as session:
        world = World(session, survey)
        frame = world.processed(world.observation(night))
        difference = world.difference(frame, current=current)
        upsert(
            session,
            [
                InjectedTransientRow(
                    difference_id=difference,
                    number=number,
                    x=9.0,
                    y=9.0,
                    snr=8.0,
                    flux_e=100.0,
                    on_galaxy=False,
                    found=number % 2 == 0,
                    listed=number % 2 == 0,
                    reasons=0,
                    cutout_key=key if number % 2 == 0 else None,
                    cutout_index=number // 2 if number % 2 == 0 else None,
                )
                for number in range(2 * PER_FRAME)
            ],
        )


def model_of(tools: Tools, name: str, threshold: float, own: dict[str, float] | None) -> Model:
    metrics = {"surveys": {"deep": {"own": own}}} if own else {}
    with tools.catalogue.begin() as session:
        model = Model(
            id=name,
            name="unet",
            version=name,
            training_run_id=None,
            onnx_sha256=name,
            onnx_key=tools.store.put(f"models/{name}", centre_model(1.0), ".onnx"),
            metrics=metrics,
            threshold=threshold,
            created_at=now(),
        )
        session.add(model)
    return model


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return tools_of(new_catalogue(tmp_path), tmp_path)


@pytest.mark.slow
def test_each_is_counted_at_its_own_threshold_and_calibration(tools):
    store_injections(tools, "wide", "2025-03-04")
    store_injections(tools, "deep", "2025-03-04")
    champion = model_of(tools, "1", 0.5, None)
    # The same scores; on one survey half of the odds, so from ln 2 on.
    halved = model_of(tools, "2", 0.5, {"temperature": 1.0, "offset": -float(np.log(2))})
    check = injections_check(tools, halved, champion, SETTINGS, "")
    before, after = (int((limit < CENTRES).sum()) for limit in (0, np.log(2)))
    lost = before - after
    assert lost > 2
    assert check.value == pytest.approx(-lost / (2 * PER_FRAME))
    assert f"keeps {before + after} of the 80 that the search found" in check.detail
    assert f"the champion {2 * before}; 0 only the challenger, {lost} only" in check.detail
    # With so few that loss may be chance; that of a threshold that keeps half is not.
    assert check.passed is None
    strict = model_of(tools, "3", float(1 / (1 + np.exp(-3))), None)
    refused = injections_check(tools, strict, champion, SETTINGS, "")
    assert refused.passed is False
    assert injections_check(tools, champion, champion, SETTINGS, "").passed


@pytest.mark.slow
def test_only_the_newest_current_ones_of_the_scope_count(tools, monkeypatch):
    store_injections(tools, "wide", "2025-03-04", current=False)
    store_injections(tools, "deep", "2025-03-04")
    store_injections(tools, "deep", "2025-03-05")
    model = model_of(tools, "1", 0.5, None)

    def counted(scope: str) -> str:
        return injections_check(tools, model, None, SETTINGS, scope).detail

    assert "of the 80 that the search found" in counted("")
    assert "0 injected transients with cutouts" in counted("wide")
    with tools.catalogue.begin() as session:
        models.record_deployment(
            session,
            Deployment(
                action="deploy",
                model_id=model.id,
                reason="first",
                metrics={},
                created_at=now(),
                scope="deep",
                follows=models.number_to_follow(session, "deep"),
            ),
        )
    # A survey with a champion of its own is not judged with the others.
    assert "0 injected transients with cutouts" in counted("")
    monkeypatch.setattr(injected, "MOST_PER_SURVEY", 50)
    assert "of the 50 that the search found" in counted("deep")
