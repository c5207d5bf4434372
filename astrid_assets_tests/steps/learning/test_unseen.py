"""Deployment: a champion is compared on test samples that no training saw, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper, numpy_helper

from astrid_assets.steps.learning.collect import DatasetVersion, collect_dataset
from astrid_assets.steps.learning.deploy import deploy_newest
from astrid_assets.steps.learning.opening import open_dataset
from astrid_assets.steps.learning.seen import never_seen
from astrid_assets.steps.learning.settings import CollectionSettings, DeploymentSettings
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import Deployment, Model, TrainingDataset
from astrid_assets.storage.queries import models
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.steps.learning.labelled_sky import ARCSEC, store_night, tools_of
from astrid_assets_tests.steps.learning.test_deploy import Aliases
from astrid_assets_tests.steps.learning.test_seen import cutouts_of, positions, trained_on

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.steps.nights import Tools

pytestmark = pytest.mark.slow

COUNT = 240
LABELS = ["real", "bogus"] * (COUNT // 2)
SETTINGS = CollectionSettings(min_samples=10)
ANY = DeploymentSettings(
    min_roc_auc=0.5, must_beat_snr=False, must_be_calibrated=False, min_per_class=5
)


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return tools_of(new_catalogue(tmp_path), tmp_path)


def centre_model(steepness: float) -> bytes:
    """Return a model whose score grows with the score cutout's central pixel."""
    nodes = [
        helper.make_node("Slice", ["cutouts", "two", "three", "channel"], ["plane"]),
        helper.make_node("Squeeze", ["plane", "channel"], ["image"]),
        helper.make_node("Sigmoid", ["image"], ["mask"]),
        helper.make_node("Slice", ["image", "middle", "beyond", "axes"], ["pixel"]),
        helper.make_node("Squeeze", ["pixel", "axes"], ["centre"]),
        helper.make_node("IsNaN", ["centre"], ["hole"]),
        helper.make_node("Where", ["hole", "blank", "centre"], ["seen"]),
        helper.make_node("Mul", ["seen", "steepness"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["score"]),
    ]
    constants = {
        "two": [2],
        "three": [3],
        "channel": [1],
        "middle": [32, 32],
        "beyond": [33, 33],
        "axes": [1, 2],
    }
    graph = helper.make_graph(
        nodes,
        "centre",
        [helper.make_tensor_value_info("cutouts", TensorProto.FLOAT, ["n", 3, 64, 64])],
        [
            helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["n", 64, 64]),
            helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"]),
        ],
        [
            *(numpy_helper.from_array(np.array(v), name) for name, v in constants.items()),
            numpy_helper.from_array(np.array(steepness, dtype=np.float32), "steepness"),
            numpy_helper.from_array(np.array(0, dtype=np.float32), "blank"),
        ],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def night_of(rng: np.random.Generator) -> np.ndarray:
    """Return cutouts of `LABELS`: a faint source where real, its noise where bogus."""
    cutouts = cutouts_of(rng, COUNT)
    cutouts[:, 2] = rng.normal(size=(COUNT, 64, 64))
    cutouts[::2, 2, 32, 32] += 3
    return cutouts


def version_of(tools: Tools) -> DatasetVersion:
    """Collect and accept a version, whatever its quality."""
    version = collect_dataset(tools, SETTINGS)
    with tools.catalogue.begin() as session:
        session.get_one(TrainingDataset, version.row.id).status = "active"
    return version


def stored(tools: Tools, version: DatasetVersion, steepness: float) -> Model:
    """Put a model that was trained on a version into catalogue and store."""
    made = trained_on(tools, version)
    with tools.catalogue.begin() as session:
        model = session.get_one(Model, made.id)
        model.onnx_key = tools.store.put(f"models/{made.id}", centre_model(steepness), ".onnx")
    return model


def put_in_force(tools: Tools, model: Model) -> None:
    with tools.catalogue.begin() as session:
        models.record_deployment(
            session,
            Deployment(
                action="deploy",
                model_id=model.id,
                reason="first",
                metrics={},
                created_at=now(),
                follows=models.number_to_follow(session),
            ),
        )


def test_the_comparison_leaves_out_what_a_merge_moved(tools, tmp_path, rng):
    cutouts, sky = night_of(rng), positions(rng, COUNT)
    store_night(tools, cutouts, LABELS, sky)
    first = version_of(tools)
    put_in_force(tools, stored(tools, first, 1.0))
    table = open_dataset(tools, first.row, tmp_path / "work").samples
    row_of = {ra: row for row, ra in enumerate(sky[:, 0].tolist())}
    trained, tested = (
        [row_of[ra] for ra in table.filter(pl.col("split") == side)["ra_deg"].to_list()[:3]]
        for side in ("train", "test")
    )
    labels = [LABELS[row] for row in tested]
    store_night(tools, cutouts[tested], labels, sky[trained], night="2025-03-05")
    second = version_of(tools)
    stored(tools, second, 2.0)
    report = deploy_newest(tools, Aliases(), ANY, tmp_path / "work")
    arrays = open_dataset(tools, second.row, tmp_path / "work")
    # Three groups of a test row, a train row and their copy are no longer new to the champion.
    assert len(arrays.indices("test")) == first.split_counts["test"] + 6
    assert report.n_unseen == first.split_counts["test"] - 3
    assert f"judged on {report.n_unseen} test samples that no training saw" in report.reason
    assert report.champion is not None
    assert report.champion.n_real + report.champion.n_bogus == report.n_unseen
    with tools.catalogue.read() as session:
        last = models.last_deployment(session)
    assert last is not None
    assert last.metrics["unseen_test_samples"] == report.n_unseen


def test_a_champion_that_saw_the_test_split_stays_without_a_comparison(tools, tmp_path, rng):
    store_night(tools, night_of(rng), LABELS, positions(rng, COUNT))
    first = version_of(tools)
    put_in_force(tools, stored(tools, first, 1.0))
    # As before sides were remembered: another draw, which trained on everything.
    table = open_dataset(tools, first.row, tmp_path / "work").samples
    path = tmp_path / "all.parquet"
    table.with_columns(pl.lit("train").alias("split")).write_parquet(path)
    with tools.catalogue.begin() as session:
        row = session.get_one(TrainingDataset, first.row.id)
        row.samples_key = tools.store.put("all", path.read_bytes(), ".parquet")
    store_night(tools, night_of(rng)[:20], LABELS[:20], positions(rng, 20), night="2025-03-05")
    second = version_of(tools)
    stored(tools, second, 2.0)
    report = deploy_newest(tools, Aliases(), ANY, tmp_path / "work")
    assert report.action == "keep"
    assert report.challenger is None
    assert "were never seen in training, at least 30 with both classes are needed" in report.reason


@pytest.mark.parametrize("seed", [0, 1])
def test_no_model_is_judged_on_what_it_saw_however_the_set_grows(tools, tmp_path, seed):
    rng = np.random.default_rng(seed)
    sky = positions(rng, 80)
    known: list[np.ndarray] = []
    versions: list[DatasetVersion] = []
    for night in range(3):
        cutouts = cutouts_of(rng, 60)
        stars = rng.integers(0, 80, 60)
        # Some cutouts are copies of earlier ones, at the position of another star.
        for row in np.flatnonzero(rng.random(60) < 0.1) if known else []:
            cutouts[row] = known[int(rng.integers(len(known)))]
        known += list(cutouts)
        store_night(
            tools,
            cutouts,
            ["real" if star % 2 else "bogus" for star in stars.tolist()],
            sky[stars] + rng.normal(0, 0.3, (60, 2)) * ARCSEC,
            survey=("wide", "other")[night % 2],
            night=f"2025-03-0{night + 4}",
        )
        versions.append(version_of(tools))
    newest = open_dataset(tools, versions[-1].row, tmp_path / "work")
    for version in versions[:-1]:
        model = trained_on(tools, version)
        rows = newest.samples[never_seen(tools, model, newest)]
        assert set(rows["split"].to_list()) == {"test"}
        trained = open_dataset(tools, version.row, tmp_path / "work").samples
        trained = trained.filter(pl.col("split") != "test")
        for name in ("detection_id", "pixel_hash"):
            assert not set(rows[name].to_list()) & set(trained[name].to_list())
        apart = np.hypot(
            rows["ra_deg"].to_numpy()[:, None] - trained["ra_deg"].to_numpy(),
            rows["dec_deg"].to_numpy()[:, None] - trained["dec_deg"].to_numpy(),
        )
        assert apart.min() > 1.9 * ARCSEC
