"""Public alerts become detections with cutouts and labels, once."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from sqlalchemy import func, select

from astrid_assets.steps.validated_labels.alerts import alert_cutout, import_alerts
from astrid_assets.storage.database.tables.detections import DifferenceRun
from astrid_assets.storage.database.tables.learning import SurveyScore
from astrid_assets.storage.database.tables.review import Label, ValidationEvent
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets.storage.queries import search
from astrid_assets.storage.queries.search import DetectionFilter
from astrid_assets.storage.review.labels import labelled_detections
from astrid_assets.surveys.alert_files import (
    Alert,
    NoAlerts,
    noise_fwhm,
    read_alerts,
)
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.small_survey import add_survey

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.surveys.profile import SurveyProfile

TOML = 'name = "alerts"\n[source]\nkind = "alerts"\n'
SIDE = 63


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return new_catalogue(tmp_path)


@pytest.fixture
def profile(catalogue: Catalogue) -> SurveyProfile:
    return add_survey(catalogue, TOML)


@pytest.fixture
def store(tmp_path: Path) -> FolderObjectStore:
    return FolderObjectStore(tmp_path / "store")


def ztf_file(path: Path, rng: np.random.Generator) -> Path:
    """Write two alerts: one brightened, one faded and labelled; and one of an edge."""

    def image(level: float, peak: float, sigma: float) -> list[float]:
        pixels = rng.normal(level, sigma, (SIDE, SIDE))
        pixels[31, 31] += peak
        return pixels.ravel().tolist()

    rows = []
    for number, is_positive in enumerate((True, False, True)):
        science = image(500, 300, 10)
        science[0] = -3.4028235e38
        rows.append(
            {
                "candid": 10**18 + number,
                "isdiffpos": is_positive,
                "ra": 150 + number,
                "dec": 2.0,
                "jd": 2460735.7 + number,
                "fid": 2,
                "field": 7,
                "magpsf": 18.0,
                "sigmapsf": 0.1,
                "diffmaglim": 20.5,
                "fwhm": 2.5,
                "elong": 1.1,
                "nbad": number,
                "scorr": 9.0,
                "rb": 0.9,
                "label": 1 if not is_positive else None,
                "label_kind": "known_solar_system_object" if not is_positive else None,
                "label_detail": "MPC 1" if not is_positive else None,
                "cutout_science": science[: SIDE * (SIDE if number < 2 else 41)],
                "cutout_template": image(400, 0, 5),
                "cutout_difference": image(0, 200, 8),
            }
        )
    pl.DataFrame(rows).write_parquet(path / "ztf.parquet")
    return path / "ztf.parquet"


@pytest.mark.slow
def test_alerts_become_detections_once(
    catalogue: Catalogue,
    profile: SurveyProfile,
    store: FolderObjectStore,
    tmp_path: Path,
    rng: np.random.Generator,
) -> None:
    path = ztf_file(tmp_path, rng)
    first = import_alerts(catalogue, store, profile, path)
    assert (first.read, first.detections, first.nights) == (3, 2, 2)
    assert dict(first.refused) == {"small_cutout": 1}
    assert first.labels_added == 1
    objects = set(store.list(""))
    again = import_alerts(catalogue, store, profile, path)
    assert (again.detections, again.labels_added, again.labels_known) == (2, 0, 1)
    assert set(store.list("")) == objects

    with catalogue.read() as session:
        rows = search.search_detections(session, DetectionFilter(), sort="oldest").rows
        methods = set(session.scalars(select(DifferenceRun.method)))
        labelled = labelled_detections(session)
        n_events = session.scalar(select(func.count()).select_from(ValidationEvent))
    assert [row.sign for row in rows] == [1, -1]
    assert [row.score_sigma for row in rows] == [9.0, -9.0]
    assert [row.mask_bits for row in rows] == [0, 1]
    assert [row.label for row in rows] == [None, "real"]
    assert rows[0].night == "2025-03-01"
    assert methods == {"alert_d"}
    assert n_events == 1
    assert [(row.source, row.classification) for row in labelled] == [("catalogue", "asteroid")]
    for row in rows:
        stack = np.load(io.BytesIO(store.get(row.cutout_key)))
        stamps = stack[row.cutout_index]
        assert stamps.shape == (3, 64, 64)
        assert np.isfinite(stamps).all()
        # A faded source is dark in science minus reference.
        assert np.sign(stamps[2, 32, 32]) == row.sign
        assert np.abs(stamps[2, 32, 32]) == np.abs(stamps[2]).max()


def test_a_cutout_is_in_sigma_with_the_candidate_in_the_middle(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    alert = next(iter(read_alerts(ztf_file(tmp_path, rng))))
    assert isinstance(alert, Alert)
    stamps = alert_cutout(alert)
    sky = stamps[:2, 1:, 1:]
    assert np.median(sky, axis=(1, 2)) == pytest.approx([0, 0], abs=0.01)
    scatter = 1.4826 * np.median(np.abs(sky), axis=(1, 2))
    assert scatter == pytest.approx([1, 1], rel=0.05)
    assert stamps[0, 32, 32] == pytest.approx(30, abs=4)
    assert stamps[2, 32, 32] == pytest.approx(25, abs=4)
    assert stamps[0, 1, 1] == 0  # the packet's bad pixel
    assert (stamps[:, 0] == 0).all()


def test_the_width_of_a_psf_is_read_off_the_noise(rng: np.random.Generator) -> None:
    from scipy.ndimage import gaussian_filter

    for sigma in (1.2, 2.0, 3.0):
        noise = gaussian_filter(rng.normal(size=(200, 200)), sigma)
        found = noise_fwhm((noise / noise.std()).astype(np.float32))
        assert found == pytest.approx(2.3548 * sigma, rel=0.06)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(path)
    with pytest.raises(NoAlerts, match="neither the columns"):
        read_alerts(path)
    path.write_bytes(b"nothing")
    with pytest.raises(NoAlerts, match="no Parquet"):
        read_alerts(path)


@pytest.mark.data
def test_the_ten_votes_of_meerlicht_arrive_with_their_dispute(
    catalogue: Catalogue,
    profile: SurveyProfile,
    store: FolderObjectStore,
    shared_data: Path,
) -> None:
    path = shared_data / "meerlicht_votes" / "candidates.parquet"
    if not path.is_file():
        pytest.skip("no MeerLICHT votes here")
    report = import_alerts(catalogue, store, profile, path)
    assert (report.detections, report.labels_added, report.labels_refused) == (4, 10, 0)
    with catalogue.read() as session:
        events = list(session.scalars(select(ValidationEvent)))
        found = search.search_detections(session, DetectionFilter()).rows
    words = sorted((e.label, e.classification or "") for e in events)
    assert words.count(("real", "")) == 1
    assert words.count(("bogus", "ghost")) == 1
    assert words.count(("bogus", "bad_subtraction")) == 3
    assert {event.source for event in events} == {"import"}
    # One real against two bogus: decided, but not by all.
    agreements = sorted(row.agreement for row in found if row.agreement is not None)
    assert agreements == pytest.approx([2 / 3, 1, 1, 1])
    for row in found:
        stamps = np.load(io.BytesIO(store.get(row.cutout_key)))[row.cutout_index]
        middle = stamps[2, 30:35, 30:35]
        assert np.abs(middle).max() == pytest.approx(abs(row.score_sigma), rel=1e-6)
        assert abs(row.score_sigma) > 5


@pytest.mark.data
def test_catalogued_ztf_alerts_are_real_and_nothing_else_is_labelled(
    catalogue: Catalogue,
    profile: SurveyProfile,
    store: FolderObjectStore,
    shared_data: Path,
    tmp_path: Path,
) -> None:
    path = shared_data / "ztf_alerts" / "alerts.parquet"
    if not path.is_file():
        pytest.skip("no ZTF alerts here")
    some = pl.scan_parquet(path).head(200).collect()
    some.write_parquet(tmp_path / "some.parquet")
    report = import_alerts(catalogue, store, profile, tmp_path / "some.parquet")
    assert report.detections == 200
    expected = some.filter(pl.col("label") == 1).height
    with catalogue.read() as session:
        labelled = labelled_detections(session)
    assert len(labelled) == expected > 10
    assert {row.label for row in labelled} == {"real"}
    assert {row.source for row in labelled} == {"catalogue"}


@pytest.mark.timeout(30)
def test_a_pipe_holds_no_alerts(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "alerts.parquet")
    with pytest.raises(NoAlerts, match="no regular file"):
        list(read_alerts(tmp_path / "alerts.parquet"))


@pytest.mark.slow
def test_the_survey_s_own_score_is_kept_as_a_number_and_labels_nothing(
    catalogue: Catalogue,
    profile: SurveyProfile,
    store: FolderObjectStore,
    tmp_path: Path,
    rng: np.random.Generator,
) -> None:
    file = ztf_file(tmp_path, rng)
    columns = {"drb": [0.97, None, 0.5], "machine_label": [1, 0, None]}
    pl.read_parquet(file).with_columns(
        **{name: pl.Series(values) for name, values in columns.items()}
    ).write_parquet(file)
    for _ in range(2):
        import_alerts(catalogue, store, profile, file)
    with catalogue.read() as session:
        scores = session.scalars(select(SurveyScore).order_by(SurveyScore.score)).all()
        labels = session.scalars(select(Label.source)).all()
    assert [(row.name, row.score) for row in scores] == [("machine_label", 0.0), ("drb", 0.97)]
    assert labels == ["catalogue"]
