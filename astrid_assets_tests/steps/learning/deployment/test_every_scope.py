"""A new model is judged in every scope, by the rows of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from astrid_assets.steps.learning.deployment.every_scope import deploy_in_every_scope
from astrid_assets.storage.queries import models
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.steps.learning.deployment.test_in_force import decision
from astrid_assets_tests.steps.learning.labelled_sky import store_night, tools_of
from astrid_assets_tests.steps.learning.test_deploy import Aliases
from astrid_assets_tests.steps.learning.test_judge_challenger import World
from astrid_assets_tests.steps.learning.test_seen import positions
from astrid_assets_tests.steps.learning.test_unseen import (
    ANY,
    COUNT,
    LABELS,
    centre_model,
    night_of,
    version_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

pytestmark = pytest.mark.slow


def test_a_survey_with_a_good_champion_keeps_it_while_the_others_get_the_new_one(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    tools = tools_of(new_catalogue(tmp_path), tmp_path)
    for survey, night in (("wide", "2025-03-04"), ("deep", "2025-03-05")):
        sky = positions(rng, COUNT)
        store_night(tools, night_of(rng), LABELS, sky, survey=survey, night=night)
    world = World(tools, version_of(tools), tmp_path / "work")
    good = world.store(centre_model(2.0))
    with tools.catalogue.begin() as session:
        row = decision(1, 0, "wide")
        row.model_id = good.id
        models.record_deployment(session, row)
    newest = world.store(centre_model(1.0))
    registry = Aliases()
    reports = deploy_in_every_scope(tools, registry, ANY, world.folder)
    assert {scope: report.action for scope, report in reports.items()} == {
        "": "deploy",
        "wide": "keep",
    }
    # Each is judged by the rows of its surveys alone.
    assert reports["wide"].n_unseen < reports[""].n_unseen
    with tools.catalogue.read() as session:
        found = {survey: models.champion_of_survey(session, survey) for survey in ("wide", "deep")}
    assert {survey: model and model.id for survey, model in found.items()} == {
        "wide": good.id,
        "deep": newest.id,
    }
    assert registry.now["champion"] == newest.version
    assert registry.now["champion-wide"] == good.version
    assert registry.now["challenger-wide"] == newest.version
