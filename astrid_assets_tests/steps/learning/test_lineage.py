"""Lineage in both directions: nothing that a model learned from is missing, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from astrid_assets.cli.main import astrid
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.detections import Detection, DetectionScore
from astrid_assets.storage.database.tables.frames import Observation
from astrid_assets.storage.queries.lineage_items import find_item
from astrid_assets.storage.queries.model_lineage import model_lineage, models_that_saw
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.steps.learning.labelled_sky import store_night, tools_of
from astrid_assets_tests.steps.learning.test_seen import cutouts_of, positions, trained_on
from astrid_assets_tests.steps.learning.test_unseen import LABELS, put_in_force, version_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

pytestmark = pytest.mark.slow

COUNT = 40


def test_a_model_leads_back_to_its_frames_and_they_lead_forward_to_it(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    tools = tools_of(new_catalogue(home), home)
    made = {
        night: store_night(
            tools, cutouts_of(rng, COUNT), LABELS[:COUNT], positions(rng, COUNT), **night_of
        )
        for night, night_of in (
            ("a", {"night": "2025-03-04"}),
            ("b", {"survey": "deep", "night": "2025-03-05"}),
        )
    }
    version = version_of(tools)
    model = trained_on(tools, version)
    put_in_force(tools, model)
    # A night after the training: scored, not learned from.
    later = store_night(
        tools, cutouts_of(rng, 6), LABELS[:6], positions(rng, 6), night="2025-03-09"
    )
    with tools.catalogue.begin() as session:
        for detection_id in later:
            session.add(
                DetectionScore(
                    detection_id=detection_id, model_id=model.id, score=0.5, scored_at=now()
                )
            )
    with tools.catalogue.read() as session:
        found = model_lineage(session, model)
        assert found.dataset is not None
        assert found.dataset.id == version.row.id
        assert sum(found.splits.values()) == version.row.total_samples == 2 * COUNT
        assert found.label_sources == {"person": 2 * COUNT}
        nights = [(n.survey, n.night, n.detections, n.differences, n.frames) for n in found.nights]
        assert nights == [
            ("deep", "2025-03-05", COUNT, 1, 1),
            ("wide", "2025-03-04", COUNT, 1, 1),
        ]
        assert (found.scored, [row.action for row in found.decisions]) == (6, ["deploy"])

        frames = {
            night: session.get_one(Detection, names[0]).observation_id
            for night, names in (*made.items(), ("later", later))
        }
        (saw,) = models_that_saw(session, observation_id=frames["a"])
        assert (sum(saw.splits.values()), saw.scored, saw.was_in_force) == (COUNT, 0, True)
        (saw,) = models_that_saw(session, observation_id=frames["later"])
        assert (saw.splits, saw.scored) == ({}, 6)
        (saw,) = models_that_saw(session, detection_id=made["b"][0])
        assert (sum(saw.splits.values()), saw.scored) == (1, 0)
        path = session.get_one(Observation, frames["a"]).source_path
        assert [
            find_item(session, name) is not None
            for name in (model.id, "champion", made["a"][0], frames["a"], path, "nothing")
        ] == [True, True, True, True, True, False]
    tools.catalogue.close()

    monkeypatch.setenv("ASTRID_HOME", str(home))
    back = CliRunner().invoke(astrid, ["lineage", "champion", "--json"], prog_name="astrid")
    assert back.exit_code == 0, back.output
    assert json.loads(back.stdout)["nights"][0]["detections"] == COUNT
    forward = CliRunner().invoke(astrid, ["lineage", frames["later"]], prog_name="astrid")
    assert "was in force: nothing of it in its dataset; scored 6" in forward.output
    unknown = CliRunner().invoke(astrid, ["lineage", "nothing"], prog_name="astrid")
    assert "there is no model, detection or frame nothing" in unknown.output
