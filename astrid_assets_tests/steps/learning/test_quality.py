"""The report of a version: honest for public alerts, and not to be fooled by a reviewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest
from sqlalchemy import select

from astrid_assets.steps.learning.collect import collect_dataset
from astrid_assets.steps.learning.settings import CollectionSettings
from astrid_assets.steps.validated_labels.alerts import import_alerts
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.detections import Detection
from astrid_assets.storage.database.tables.frames import Observation
from astrid_assets.storage.database.tables.learning import TrainingDataset
from astrid_assets.storage.database.tables.review import Label, ValidationEvent
from astrid_assets.storage.queries import dataset_states
from astrid_assets.storage.review.labels import append_events
from astrid_assets.storage.review.views import refresh
from astrid_assets.surveys.profile import SurveyProfile
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.steps.learning.labelled_sky import LabelledSky, store_night, tools_of
from astrid_assets_tests.steps.learning.test_seen import cutouts_of, positions

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from astrid_assets.steps.nights import Tools

pytestmark = pytest.mark.slow

COUNT = 240


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return tools_of(new_catalogue(tmp_path), tmp_path)


def night_of(rng: np.random.Generator) -> tuple[np.ndarray, list[str]]:
    """Return cutouts with a source where real, and with a bright pixel where bogus."""
    cutouts = cutouts_of(rng, COUNT)
    labels = ["real" if number % 2 else "bogus" for number in range(COUNT)]
    for number in range(0, COUNT, 2):
        cutouts[number, 2] = rng.normal(size=(64, 64))
        cutouts[number, :2, 32, 32] = cutouts[number, 2, 32, 32] = rng.uniform(20, 90)
    return cutouts, labels


def test_a_clean_night_passes_and_random_labels_do_not(tools, rng):
    cutouts, labels = night_of(rng)
    sky = positions(rng, COUNT)
    store_night(tools, cutouts, labels, sky)
    good = collect_dataset(tools, CollectionSettings())
    assert good.quality.passed, good.quality.issues
    assert good.quality.quality_score > 0.95
    assert good.quality.drift is None
    with tools.catalogue.begin() as session:
        dataset_states.mark_judged(session, good.row.id, None, "ada")
        for row in session.scalars(select(Label)):
            row.label = "real" if rng.random() < 0.5 else "bogus"
            row.n_votes = 1
    poor = collect_dataset(tools, CollectionSettings())
    assert poor.quality.quality_score < 0.8
    assert "do not follow from the pixels" in "; ".join(poor.quality.issues)
    assert poor.quality.drift is not None
    assert poor.quality.drift["survey"] == 0
    with tools.catalogue.read() as session:
        stored = session.get_one(TrainingDataset, poor.row.id).quality_report
    assert stored["parts"]["labels"] < 0.8
    assert stored["moves"] == []


@pytest.mark.data
def test_public_alerts_have_an_honest_quality(tools, shared_data, tmp_path):
    path = shared_data / "ztf_alerts" / "alerts.parquet"
    if not path.is_file():
        pytest.skip("no ZTF alerts here")
    table = pl.read_parquet(path)
    labelled = table.filter((pl.col("label") == 1) | (pl.col("machine_label") == 0))
    labelled.write_parquet(tmp_path / "labelled.parquet")
    LabelledSky(tools.catalogue).survey("ztf", 'name = "ztf"\n[source]\nkind = "alerts"\n')
    profile = SurveyProfile.from_toml('name = "ztf"\n[source]\nkind = "alerts"\n')
    import_alerts(tools.catalogue, tools.store, profile, tmp_path / "labelled.parquet")
    _say_bogus(tools, labelled.filter(pl.col("label").is_null())["candid"].to_list())
    version = collect_dataset(tools, CollectionSettings(min_agreement=0.5))
    report = version.quality
    assert (report.total_samples, int(version.real.sum())) == (379, 312)
    assert report.image_quality_score is not None
    assert report.image_quality_score > 0.8
    assert report.image_parts["frame"] is None
    assert "image: frame" in report.unknown
    assert report.passed, report.issues


def _say_bogus(tools: Tools, names: list[int]) -> None:
    """Label the other alerts bogus, as somebody who looked at them would."""
    with tools.catalogue.begin() as session:
        paths = {f"ztf {name} " for name in names}
        query = select(Detection.id, Observation.source_path).join(
            Observation, Observation.id == Detection.observation_id
        )
        chosen = [
            row[0]
            for row in session.execute(query)
            if any(row[1].startswith(path) for path in paths)
        ]
        append_events(
            session,
            [
                ValidationEvent(
                    event_key=f"test:{name}",
                    detection_id=name,
                    reviewer="ada",
                    source="person",
                    label="bogus",
                    created_at=now(),
                )
                for name in chosen
            ],
        )
        refresh(session, chosen)
