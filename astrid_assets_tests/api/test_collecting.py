"""Collecting a dataset starts Dagster's job, over GraphQL, and it can be followed."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from astrid_assets.cli.children import Child, Program, stop
from astrid_assets.resources.environment import VARIABLES
from astrid_assets.resources.home import project_root
from astrid_assets_tests.api.serving import asked
from astrid_assets_tests.cli.test_ui import free_port
from astrid_assets_tests.small_sky import SURVEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astrid_assets.web.settings import WebSettings

pytestmark = pytest.mark.slow

START_LIMIT_S = 180.0
HEAVY = {"torch", "lightning", "ray", "mlflow", "matplotlib", "dagster", "polars"}


@pytest.fixture
def dagster_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A Dagster webserver with our graph and a home of its own."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    root = project_root()
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(root))
    port = free_port()
    program_file = Path(sys.executable).parent / "dagster-webserver"
    where = ["-h", "127.0.0.1", "-p", str(port), "-w", str(root / "workspace.yaml")]
    command = [str(program_file), *where]
    program = Program("Dagster", command, tmp_path / "webserver.log", port)
    child = Child(program, root)
    try:
        give_up_at = time.monotonic() + START_LIMIT_S
        while not child.answers:
            assert child.is_running, child.last_lines()
            assert time.monotonic() < give_up_at, child.last_lines()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        stop([child])


@pytest.mark.slow
def test_a_collection_becomes_a_run_of_the_graph(settings: WebSettings, dagster_url: str) -> None:
    body = {
        "survey_ids": [SURVEY],
        "start": "2025-01-01T00:00:00",
        "end": "2025-12-31T23:59:59",
        "confidence_threshold": 0.7,
        "max_samples": 200,
        "name": "a name",
    }
    with asked(replace(settings, dagster_url=dagster_url)) as client:
        started = client.post("/training/datasets/collect", json=body, timeout=60)
        assert started.status_code == 202, started.text
        run = started.json()
        assert run["status"] == "queued"
        followed = client.get(run["follow"], timeout=60).json()
        assert followed == run
        unknown = client.get("/training/runs/00000000-0000-0000-0000-000000000000")
        assert unknown.status_code == 404
    query = """query($id: ID!) { runOrError(runId: $id) { ... on Run {
        jobName runConfigYaml assetSelection { path } tags { key value } } } }"""
    asked_dagster = {"query": query, "variables": {"id": run["run_id"]}}
    answer = httpx.post(f"{dagster_url}/graphql", json=asked_dagster, timeout=60)
    told = answer.json()["data"]["runOrError"]
    assert told["jobName"] == "learning_job"
    assert told["assetSelection"] == [{"path": ["training_dataset"]}]
    assert "confidence_threshold: 0.7" in told["runConfigYaml"]
    assert "start: 2025-01-01" in told["runConfigYaml"]
    assert {"key": "astrid/requested_by", "value": "local"} in told["tags"]


def test_the_application_starts_without_anything_heavy() -> None:
    code = (
        "import sys\n"
        "from astrid_assets.web.app import create_app\n"
        "from astrid_assets.web.settings import WebSettings\n"
        "create_app(WebSettings('sqlite:////tmp/none.db', '/tmp/none'))\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not HEAVY & set(found.stdout.split())
