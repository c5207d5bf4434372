"""Lineage over REST: of a model, of a detection, of a frame, and of nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from astrid_assets.cli.lineage import lineage_command
from astrid_assets.storage.database.tables.detections import Detection
from astrid_assets_tests.api.serving import asked
from astrid_assets_tests.api.test_ml import JOB
from astrid_assets_tests.steps.learning.deployment.test_in_force import deploy, id_of, with_models

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.web.settings import WebSettings
    from astrid_assets_tests.small_sky import SmallSky

pytestmark = pytest.mark.slow


def test_each_kind_of_thing_has_a_lineage(
    settings: WebSettings, sky: SmallSky, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = with_models(sky.catalogue, tmp_path, [1])
    row = deploy(tools, 1)
    with sky.catalogue.read() as session:
        detection = session.scalars(select(Detection).limit(1)).one()
    with asked(settings) as client:
        model = client.get(f"/lineage/{id_of(1)}").json()
        found = client.get(f"/lineage/{detection.id}").json()
        frame = client.get(f"/lineage/{detection.observation_id}").json()
        assert client.get(f"/lineage/{JOB}").status_code == 404
        page = client.get(f"/browse/models/{id_of(1)}")
    assert (model["kind"], model["deployments"], model["nights"]) == ("model", [row.sequence], [])
    assert (found["kind"], frame["kind"]) == ("detection", "frame")
    assert "does not know what it was trained on" in page.text
    # The command line gives the same.
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ASTRID_DATABASE_URL", settings.database_url)
    for name, told in ((id_of(1), model), (detection.id, found)):
        said = CliRunner().invoke(lineage_command, [name, "--json"])
        assert said.exit_code == 0, said.output
        printed = json.loads(said.stdout)
        rest = {key: value for key, value in told.items() if key not in {"kind", "seen_by"}}
        assert printed == (rest if told["seen_by"] is None else told["seen_by"])
