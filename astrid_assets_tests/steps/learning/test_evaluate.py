"""A stored model judged and kept; folds, baselines and rankings; scores of bare arrays."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from astrid_assets import api
from astrid_assets.cli.main import astrid
from astrid_assets.learning.ranking import roc_auc
from astrid_assets.resources.environment import VARIABLES
from astrid_assets.resources.home import project_root
from astrid_assets.steps.learning.compare_models import baseline_scores, rank_models
from astrid_assets.steps.learning.cross_validate import FoldSettings, cross_validate
from astrid_assets.steps.learning.evaluate import judge_model, keep_evaluation, open_scorer
from astrid_assets.steps.learning.score import find_model
from astrid_assets.steps.learning.settings import NoModel
from astrid_assets.storage.database.tables.learning import ModelEvaluation
from astrid_assets.storage.queries.named_objects import named_objects
from astrid_assets.web.settings import WebSettings
from astrid_assets.web.views.models import newest_nights
from astrid_assets_tests.api.serving import asked
from astrid_assets_tests.sensors.labelled import NIGHT, add_labels
from astrid_assets_tests.steps.learning.judged import SETTINGS, JudgedWorld, judged_world

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> JudgedWorld:
    return judged_world(tmp_path_factory.mktemp("judged"))


def test_an_evaluation_is_kept_with_its_scores_and_pictures(world):
    tools, arrays = world.tools, world.arrays
    judged = judge_model(tools, world.model, arrays)
    test = arrays.indices("test")
    assert judged.rows.tolist() == test.tolist()
    assert judged.evaluation.model.roc_auc.value == roc_auc(judged.scores, arrays.is_real[test])
    assert judged.evaluation.n_objects < len(test)
    assert judged.pixels is not None
    assert judged.pixels.n_cutouts == len(test)

    kept = keep_evaluation(tools, judged, arrays, kind="split", settings={}, model=world.model)
    again = keep_evaluation(tools, judged, arrays, kind="split", settings={}, model=world.model)
    assert kept.id == again.id
    table = pl.read_parquet(io.BytesIO(tools.store.get(kept.scores_key)))
    assert table["score"].to_numpy() == pytest.approx(judged.scores)
    assert json.loads(json.dumps(kept.metrics, allow_nan=False))["curves"]["rankings"]["S/N"]
    assert {"ranking", "reliability", "confusion", "by_snr", "masks"} <= kept.pictures.keys()
    assert all(tools.store.get(key)[:4] == b"\x89PNG" for key in kept.pictures.values())
    with tools.catalogue.read() as session:
        assert len(session.query(ModelEvaluation).all()) == 1
        named = {one.key for one in named_objects(session)}
    assert {kept.scores_key, *kept.pictures.values()} <= named


def test_models_are_ranked_on_the_same_rows(world):
    test = world.arrays.indices("test")
    best, second = rank_models(world.tools, [world.model, world.model], world.arrays, test)
    assert best.behind is None
    assert second.behind is not None
    assert second.behind.roc_auc.low == second.behind.roc_auc.high == 0


def test_the_baseline_is_trained_by_the_same_loop_and_learns(world):
    rows = world.arrays.indices("train")
    longer = SETTINGS.model_copy(update={"epochs": 5})
    scores = baseline_scores(world.arrays, rows, longer, world.work)
    assert roc_auc(scores, world.arrays.is_real[rows]) > 0.7


def test_every_row_is_judged_by_a_fold_that_did_not_see_it_and_nothing_is_done_twice(world):
    tools, arrays = world.tools, world.arrays
    settings, done = FoldSettings(folds=2), []
    found = cross_validate(tools, arrays, SETTINGS, settings, world.work, on_fold=done.append)
    may_judge = ~arrays.samples["train_only"].to_numpy()
    assert sorted(found.judged.rows.tolist()) == np.flatnonzero(may_judge).tolist()
    assert len(done) == len(found.rankings) == 2
    assert [entry["judged"] for entry in found.row.metrics["folds"]] == [
        len(part.scores) for part in done
    ]
    # Finished folds are read, not trained: the folder shows no newer checkpoint.
    [home] = (world.work / "folds").iterdir()
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*.ckpt")}
    again = cross_validate(tools, arrays, SETTINGS, settings, world.work)
    assert (again.judged.scores == found.judged.scores).all()
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*.ckpt")} == before
    assert again.row.id == found.row.id
    assert again.row.model_id is None


def odd_cutouts(rng) -> np.ndarray:
    stamps = rng.normal(size=(7, 3, 64, 64)).astype(np.float32)
    stamps[1] = np.nan
    stamps[2] = 5.0
    stamps[3] *= 1e-30
    stamps[4] *= 1e30
    stamps[5, :, ::2] = np.inf
    stamps[6] = -3.4e38
    return stamps


def test_a_score_depends_on_no_other_cutout_and_no_pixel_breaks_it(world, rng):
    scorer = open_scorer(world.tools, world.model)
    stamps = np.concatenate([odd_cutouts(rng), world.cutouts.images])
    whole = scorer.score(stamps)
    assert np.isfinite(whole).all()
    assert ((whole >= 0) & (whole <= 1)).all()
    alone = np.concatenate([scorer.score(stamps[row : row + 1]) for row in range(len(stamps))])
    assert (alone == whole).all()
    assert (scorer.score(stamps[::-1]) == whole[::-1]).all()


def test_a_model_is_found_by_version_or_the_beginning_of_its_id(world):
    for name in (None, "1", world.model.id, world.model.id[:8]):
        assert find_model(world.tools, name).id == world.model.id
    with pytest.raises(NoModel, match="there are the versions 1"):
        find_model(world.tools, "none of these")


@pytest.fixture
def environment(world, tmp_path, monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(project_root()))
    monkeypatch.setenv("ASTRID_DATABASE_URL", world.tools.catalogue.url)
    monkeypatch.setenv("ASTRID_STORE_URL", str(world.work.parent / "store"))


def test_a_fresh_process_scores_cutouts_of_any_survey(world, environment, tmp_path):
    own = world.cutouts.images[:20]
    files = {"own": own, "ztf": 100 + 7 * own[:, :, 1:, 1:], "rubin": own[:, :, 18:48, 18:48]}
    files["atlas"] = own[:, [0, 2], 2:63, 2:63]
    for name, stack in files.items():
        np.save(tmp_path / f"{name}.npy", stack)
    program = (
        "import sys, numpy as np\n"
        "from astrid_assets import api\n"
        "for name in sys.argv[1:]:\n"
        "    np.save(name + '.scores.npy', api.score(np.load(name + '.npy')))\n"
    )
    names = [str(tmp_path / name) for name in files]
    subprocess.run([sys.executable, "-c", program, *names], check=True, cwd=project_root())
    scores = {name: np.load(tmp_path / f"{name}.scores.npy") for name in files}
    assert (scores["own"] == open_scorer(world.tools, world.model).score(own)).all()
    assert (scores["own"] == api.score(own, model="1")).all()
    for found in scores.values():
        assert found.shape == (20,)
        assert ((found >= 0) & (found <= 1)).all()


def test_the_command_prints_and_writes_what_was_measured(world, environment, tmp_path):
    def run(*arguments: str) -> str:
        result = CliRunner().invoke(astrid, ["evaluate", *arguments], prog_name="astrid")
        assert result.exit_code == 0, result.output
        return result.stdout

    whole = json.loads(run("1", "--format", "json"))
    assert whole["model"]["roc_auc"]["low"] <= whole["model"]["roc_auc"]["value"]
    assert whole["curves"]["histogram"]["real"]
    rows = list(csv.DictReader(run("--format", "csv").splitlines()))
    by_name = {row["metric"]: row for row in rows}
    assert float(by_name["roc_auc"]["value"]) == whole["model"]["roc_auc"]["value"]
    assert float(by_name["purity"]["low"]) <= float(by_name["purity"]["value"])
    target = tmp_path / "numbers.csv"
    assert "wrote" in run("--output", str(target))
    assert list(csv.DictReader(target.read_text().splitlines())) == rows
    assert "astrid-unet v1" in run("--all")
    failed = CliRunner().invoke(astrid, ["evaluate", "nothing"], prog_name="astrid")
    assert failed.exit_code == 1
    assert "there is no model nothing" in failed.output


def test_the_page_of_a_model_shows_its_evaluation_and_its_newest_night(world):
    judged = judge_model(world.tools, world.model, world.arrays)
    keep_evaluation(world.tools, judged, world.arrays, kind="split", settings={}, model=world.model)
    scores = [0.9] * 3 + [0.01] * 40
    add_labels(world.tools.catalogue, len(scores), scores=scores, model_id=world.model.id)
    settings = WebSettings(
        database_url=world.tools.catalogue.url, store_url=str(world.work.parent / "store")
    )
    with asked(settings) as client:
        listed = client.get("/browse/models").text
        assert f"/browse/models/{world.model.id}" in listed
        text = client.get(f"/browse/models/{world.model.id}").text
        for words in ("completeness at 1 fpr", "purity where a share 0.005 is real", NIGHT):
            assert words in text
        pictures = re.findall(r'src="(/pictures/evaluations/[^"]+)"', text)
        assert len(pictures) >= 5
        answer = client.get(pictures[0].replace("&amp;", "&"))
        assert answer.content[:4] == b"\x89PNG"
        assert client.get("/pictures/evaluations/none/x.png").status_code == 404
        assert client.get("/browse/models/none").status_code == 404
    with world.tools.catalogue.read() as session:
        [line] = newest_nights(session, world.model) or []
    assert line.expected.n == 43
    assert line.expected.n_called == 3
    assert line.expected.prevalence.value < 0.2
