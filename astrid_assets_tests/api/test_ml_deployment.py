"""Deployments over REST, with a Dagster that answers as the real one does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from astrid_assets_tests.api.serving import asked
from astrid_assets_tests.api.test_ml import JOB, ScriptedDagster, listening
from astrid_assets_tests.small_sky import SURVEY
from astrid_assets_tests.steps.learning.deployment.test_in_force import deploy, id_of, with_models

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.web.settings import WebSettings
    from astrid_assets_tests.small_sky import SmallSky

pytestmark = pytest.mark.slow


def test_a_model_is_deployed_followed_and_taken_back(
    settings: WebSettings, sky: SmallSky, tmp_path: Path
) -> None:
    dagster = ScriptedDagster()
    with listening(dagster) as url, asked(replace(settings, dagster_url=url)) as client:
        nothing = client.post("/ml/deployment/deploy", json={})
        assert nothing.status_code == 404
        tools = with_models(sky.catalogue, tmp_path, range(1, 3))
        rollback = "/ml/deployment/rollback"
        alone = client.post(rollback, json={"because": "a test"})
        assert "there is no earlier model" in alone.text
        for wrong, code in (
            ({"model_id": JOB}, 404),
            ({"survey": "nowhere"}, 404),
            ({"survey": ""}, 404),
            ({"force": True}, 422),
            ({"force": True, "because": " "}, 422),
            ({"because": "not forced"}, 422),
            ({"model": "1"}, 422),
        ):
            assert client.post("/ml/deployment/deploy", json=wrong).status_code == code
        body = {"model_id": id_of(2), "force": True, "because": "labels were wrong"}
        started = client.post("/ml/deployment/deploy", json=body)
        assert started.status_code == 202, started.text
        follow = started.json()["follow"]
        assert client.get(follow).json()["status"] == "started"
        deploy(tools, 1)
        row = deploy(tools, 2)
        dagster.tags = {"astrid/deployment": str(row.sequence)}
        told = client.get(follow).json()
        by_number = client.get(f"/ml/deployment/{row.sequence}/status").json()
        assert client.post(rollback, json={"because": " "}).status_code == 422
        for_none = {"because": "worse", "survey": ""}
        assert client.post(rollback, json=for_none).status_code == 404
        back = client.post(rollback, json={"because": "floods", "to": id_of(1)})
        assert back.status_code == 202, back.text
        common = {"because": "no better", "to": "common", "survey": SURVEY}
        assert "has a champion of its own" in client.post(rollback, json=common).text
        assert f"{SURVEY} follows the common one already" in client.post(rollback, json=common).text
        deploy(tools, 2, SURVEY)
        assert client.post(rollback, json=common).status_code == 202
        assert client.get("/ml/deployment/99/status").status_code == 404
        assert client.get(f"/ml/deployment/{'9' * 30}/status").status_code == 422
    assert (told["state"], told["version"], told["job_id"]) == ("in force", "2", JOB)
    assert (by_number["state"], by_number["previous_model_id"]) == ("in force", id_of(1))
    deployed, rolled, followed = dagster.launched
    assert deployed["selector"]["jobName"] == "deployment_job"
    assert deployed["runConfigData"]["ops"]["deployed_model"]["config"] == {
        "model": id_of(2),
        "survey": "",
        "force_because": "labels were wrong",
    }
    assert rolled["selector"]["jobName"] == "rollback_job"
    assert rolled["runConfigData"]["ops"]["rollback"]["config"] == {
        "because": "floods",
        "to": id_of(1),
        "survey": "",
    }
    assert followed["runConfigData"]["ops"]["rollback"]["config"] == common


def test_without_dagster_a_sentence_says_what_to_start(
    settings: WebSettings, sky: SmallSky, tmp_path: Path
) -> None:
    with_models(sky.catalogue, tmp_path, [1])
    closed = replace(settings, dagster_url="http://127.0.0.1:9")
    with asked(closed) as client:
        refused = client.post("/ml/deployment/deploy", json={})
    assert refused.status_code == 503
    assert "start it with `astrid ui`" in refused.text
