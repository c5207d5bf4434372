"""Which rows calibrate a survey, and that its scores are written with the result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from sqlalchemy import insert

from astrid_assets.compute import Compute
from astrid_assets.learning.calibration import ScoreCalibration, calibration_error
from astrid_assets.learning.export import to_onnx
from astrid_assets.learning.settings import NetworkSettings
from astrid_assets.learning.survey_calibration import OwnCalibration
from astrid_assets.learning.unet import Ensemble, UNet
from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.simulation.pair import simulate_pair
from astrid_assets.steps.detections.search import DetectTask, detect_frame
from astrid_assets.steps.learning.opening import DatasetArrays
from astrid_assets.steps.learning.survey_calibrations import (
    SURVEYS,
    calibrate_surveys,
    kept_form,
    own_calibration,
)
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.tables.learning import Model
from astrid_assets.storage.database.tables.review import ValidationEvent
from astrid_assets.storage.fits.differences import difference_to_fits
from astrid_assets.storage.fits.frames import frame_to_fits
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.storage.crowd import crowded_night
from astrid_assets_tests.storage.world import WHEN

if TYPE_CHECKING:
    from pathlib import Path

N = 1200
KNOWN = 0.5


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(new_catalogue(tmp_path), FolderObjectStore(tmp_path / "store"), Compute())


@pytest.mark.slow
def test_only_items_drawn_at_random_calibrate_a_survey(tools, rng):
    with tools.catalogue.begin() as session:
        ids = crowded_night(session, "2025-03-04", N)
        drawn = ["random" if i % 2 else "uncertain" for i in range(N)]
        session.execute(
            insert(ValidationEvent),
            [
                {
                    "event_key": f"e{i}",
                    "detection_id": id_,
                    "reviewer": "ann",
                    "source": "person",
                    "label": "real",
                    "drawn_as": drawn[i],
                    "created_at": WHEN,
                }
                for i, id_ in enumerate(ids)
            ],
        )
    at_random = np.array([one == "random" for one in drawn])
    is_real = rng.random(N) < KNOWN
    x = rng.normal(size=N) + 2 * is_real
    right = 2 * x - 2
    # The model is shifted by 1.5; near its threshold reviewers were shown bogus alone.
    scores = 1 / (1 + np.exp(-(right - 1.5)))
    is_real &= at_random | (scores < 0.3) | (scores > 0.7)
    surveys = np.where(np.arange(N) < N - 100, "sim", "other")
    samples = pl.DataFrame(
        {
            "detection_id": ids,
            "survey": surveys,
            "label": np.where(is_real, "real", "bogus"),
            "object_id": ids,
            "split": ["val"] * N,
        }
    )
    arrays = DatasetArrays(None, None, samples.lazy())  # type: ignore[arg-type]  # no pixels
    found = calibrate_surveys(tools, arrays, scores, prevalence=KNOWN, threshold=0.5)
    assert {name: one.own is not None for name, one in found.items()} == {
        "sim": True,
        "other": False,
    }
    assert found["sim"].n_real + found["sim"].n_bogus == (N - 100) // 2
    model = Model(
        id="m",
        name="m",
        version="1",
        training_run_id="r",
        onnx_sha256="",
        onnx_key="",
        metrics={SURVEYS: kept_form(found, 0.5)},
        threshold=0.5,
        created_at=WHEN,
    )
    own = own_calibration(model, "sim")
    assert own is not None
    assert own == found["sim"].own
    own_scores = own.scores(scores[at_random]).astype(float)
    assert calibration_error(own_scores, is_real[at_random]) < 0.08
    assert calibration_error(scores[at_random], is_real[at_random]) > 0.12
    assert own_calibration(model, "other") is own_calibration(model, "new") is None
    kept = model.metrics[SURVEYS]
    assert kept["other"]["reason"].startswith("the common calibration")
    # Shifted by 1.5 in the logit: that is where this survey's real begins.
    assert kept["sim"]["network_threshold"] == pytest.approx(1 / (1 + np.exp(1.5)), abs=0.05)


@pytest.mark.slow
def test_a_night_is_scored_with_the_calibration_of_its_survey(tmp_path):
    store = FolderObjectStore(tmp_path / "store")
    pair = simulate_pair(4, (256, 256), n_transients=12, snr_range=(10.0, 50.0))
    difference = subtract(pair.science, pair.reference, DifferencingSettings())
    shape = NetworkSettings(base_filters=2, depth=2)
    network = Ensemble([UNet(shape)], shape)
    task = DetectTask(
        store=store,
        survey="sim",
        night="2025-03-01",
        observation_id="o",
        difference_id="d",
        difference_key=store.put("difference", difference_to_fits(difference), ".fits"),
        frame_key=store.put("frame", frame_to_fits(pair.science, None), ".fits"),
        settings=DetectionSettings(),
        model_id="m",
        model_key=store.put("model", to_onnx(network, ScoreCalibration(1.0, 0.0, 0.5)), ".onnx"),
    )
    own = OwnCalibration(temperature=2.0, offset=-1.0)
    common, calibrated = (
        np.array([row.score for row in detect_frame(one).detections])
        for one in (task, replace(task, calibration=own))
    )
    assert len(common) > 5
    odds = np.log(common / (1 - common))
    np.testing.assert_allclose(calibrated, 1 / (1 + np.exp(1 - odds / 2)), atol=1e-6)
