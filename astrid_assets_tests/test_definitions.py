"""The graph loads quickly, is complete, and imports nothing heavy."""

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from astrid_assets.checks.learning import LEARNING_GATES
from astrid_assets.checks.nightly import NIGHTLY_GATES
from astrid_assets.definitions import build_definitions
from astrid_assets.jobs import LEARNING_ASSETS
from astrid_assets.partitions import survey_date
from astrid_assets.storage.queries.gates import NIGHTLY_ASSETS
from astrid_assets_tests.instances import empty_history, own_home

__all__ = ["empty_history", "own_home"]  # fixtures are found by name

EIGHT = {
    "raw_observations": set(),
    "calibration_masters": {"raw_observations"},
    "processed_frames": {"raw_observations", "calibration_masters"},
    "difference_images": {"processed_frames", "reference_frames"},
    "detections": {"difference_images"},
    "validated_labels": {"detections"},
    "training_dataset": {"validated_labels"},
    "trained_unet": {"training_dataset"},
    "deployed_model": {"trained_unet"},
}
"""The eight assets of the graph with what each of them follows."""

HEAVY = (
    "torch",
    "lightning",
    "mlflow",
    "dagster_mlflow",
    "ray",
    "matplotlib",
    "astroscrappy",
    "astroalign",
    "onnxruntime",
    "numba",
    "fastapi",
    "photutils",
    "boto3",
    "scipy",
)
LOAD = """
import json, sys, time
start, cpu = time.perf_counter(), time.process_time()
import astrid_assets.definitions
print(json.dumps({
    "wall_s": time.perf_counter() - start,
    "cpu_s": time.process_time() - cpu,
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
}))
"""
MAX_LOAD_CPU_S = 5.0  # measured 1.9 s; with one heavy module more than 8 s


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    return build_definitions()


@pytest.fixture(scope="module")
def graph(defs: dg.Definitions) -> AssetGraph:
    return defs.resolve_asset_graph()


@pytest.mark.slow
def test_loading_imports_nothing_heavy_and_warns_of_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = subprocess.run(
        [sys.executable, "-c", LOAD], capture_output=True, text=True, check=True
    )
    loaded = json.loads(result.stdout)
    with capsys.disabled():
        sys.stdout.write(
            f"\ndefinitions load in {loaded['wall_s']:.1f} s ({loaded['cpu_s']:.1f} CPU-s)\n"
        )
    assert not set(HEAVY) & set(loaded["modules"])
    assert loaded["cpu_s"] < MAX_LOAD_CPU_S
    assert result.stderr == ""


def test_the_eight_assets_are_there_in_their_order(graph: AssetGraph) -> None:
    for name, parents in EIGHT.items():
        before = graph.get_ancestor_asset_keys(dg.AssetKey(name))
        assert parents <= {key.to_user_string() for key in before}


def test_nightly_assets_are_partitioned_and_the_others_are_not(
    graph: AssetGraph,
) -> None:
    names = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert names == {*NIGHTLY_ASSETS, *LEARNING_ASSETS}
    for name in names:
        partitions = graph.get(dg.AssetKey(name)).partitions_def
        assert partitions == (survey_date if name in NIGHTLY_ASSETS else None)


def test_assets_that_stand_for_all_surveys_have_a_freshness_and_partitioned_ones_have_none(
    graph: AssetGraph,
) -> None:
    fresh = {
        key.to_user_string()
        for key in graph.get_all_asset_keys()
        if graph.get(key).freshness_policy_or_from_metadata is not None
    }
    assert fresh == {"training_dataset", "deployed_model"}


def test_people_find_a_text_a_group_and_kinds_on_every_asset(
    graph: AssetGraph,
) -> None:
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.group_name != "default", key
        assert node.kinds, key
        assert node.code_version, key


def test_every_gate_is_a_check_of_its_asset(graph: AssetGraph) -> None:
    found = {(c.asset_key.to_user_string(), c.name) for c in graph.asset_check_keys}
    expected = {
        (asset, gate)
        for gates in (NIGHTLY_GATES, LEARNING_GATES)
        for asset, claims in gates.items()
        for gate in claims
    }
    assert found == expected


def test_everything_can_run(defs: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(defs)


@pytest.mark.parametrize(
    ("job", "assets"),
    [
        ("night_job", set(NIGHTLY_ASSETS)),
        ("learning_job", set(LEARNING_ASSETS)),
        ("deployment_job", {"deployed_model"}),
        ("whole_graph", {*NIGHTLY_ASSETS, *LEARNING_ASSETS}),
    ],
)
def test_jobs_hold_their_assets(defs: dg.Definitions, job: str, assets: set[str]) -> None:
    layer = defs.resolve_job_def(job).asset_layer
    assert {k.to_user_string() for k in layer.executable_asset_keys} == assets


def test_sensors_and_schedules_are_there(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "new_observations",
        "retraining",
        "deployed_model_health",
        "run_failures",
        "alerts",
    }
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "latest_nights",
        "weekly_dataset",
        "weekly_health",
    }


def test_an_unknown_resource_is_refused() -> None:
    with pytest.raises(ValueError, match="no resource named bucket"):
        build_definitions(bucket=object())


def test_secrets_are_references_that_nobody_sees(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "postgresql://me:hidden-word@host/db"
    monkeypatch.setenv("ASTRID_DATABASE_URL", secret)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden-word")
    resources = build_definitions().resources or {}
    assert "hidden-word" not in repr(resources)
    assert "ASTRID_DATABASE_URL" in repr(resources["catalogue"])
