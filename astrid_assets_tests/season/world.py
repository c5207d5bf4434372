"""One deployment in which a season is played, and the ways in that users have."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np

from astrid_assets.compute import Compute
from astrid_assets.definitions import build_definitions
from astrid_assets.jobs import RANGE_END, RANGE_START
from astrid_assets.learning.inference import OnnxScorer
from astrid_assets.partitions import Night
from astrid_assets.sensors.retraining import retraining
from astrid_assets.steps.learning.train import MODEL_NAME
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.database.tables.learning import Model
from astrid_assets.storage.objects.object_store import ObjectStore, open_object_store
from astrid_assets.storage.queries import candidates, models
from astrid_assets.surveys.sources.base import SourceOptions
from astrid_assets.tracking.client import Tracking
from astrid_assets.web.settings import WebSettings
from astrid_assets_tests.api.serving import asked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from astrid_assets.storage.queries.detection_rows import DetectionRow
    from astrid_assets_tests.services import S3Server

NEAR_DEG = 2 / 3600
NIGHT_ASSETS = (
    *("raw_observations", "calibration_masters", "processed_frames", "reference_frames"),
    *("difference_images", "detections"),
)
"""From frames to scores. The truth reviewer stays out: labels come by the API."""


@dataclass(frozen=True)
class SeasonWorld:
    """The resources, an instance to run in, and what the web application is told of them."""

    catalogue: Catalogue
    store: ObjectStore
    tracking: Tracking
    instance: dg.DagsterInstance
    web: WebSettings

    @property
    def tools(self) -> Tools:
        """What steps work with."""
        return Tools(self.catalogue, self.store, Compute())

    def run(
        self,
        job: str,
        config: Mapping[str, Mapping[str, object]] | None = None,
        *,
        assets: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Run a job by its name, with the configuration of its assets."""
        definitions = build_definitions(
            catalogue=self.catalogue,
            store=self.store,
            tracking=self.tracking,
            compute=Compute("serial", 1),
            sources=SourceOptions(),
        )
        result = definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(name) for name in assets] or None,
            tags=dict(tags or {}),
            run_config={"ops": {name: {"config": one} for name, one in (config or {}).items()}},
        )
        assert result.success

    def nights_arrive(self, survey: str, nights: Sequence[str]) -> None:
        """Run consecutive nights of a survey up to their scores, as a backfill does."""
        first, last = (str(Night(survey, night).key) for night in (nights[0], nights[-1]))
        self.run("night_job", assets=NIGHT_ASSETS, tags={RANGE_START: first, RANGE_END: last})

    def detections(self, survey: str, nights: Sequence[str]) -> list[DetectionRow]:
        """Return the detections of nights."""
        with self.catalogue.read() as session:
            return [
                row
                for night in nights
                for row in candidates.detections_of_night(session, survey, night)
            ]

    def label(self, survey: str, nights: Sequence[str], real_deg: NDArray[np.float64]) -> int:
        """Say over REST what each detection is; returns how many were said to be real.

        Parameters
        ----------
        real_deg : (n, 2)
            Right ascension and declination of all that is real.
        """
        n_real = 0
        with asked(self.web) as client:
            for row in self.detections(survey, nights):
                assert row.ra_deg is not None
                assert row.dec_deg is not None
                away = real_deg - np.array((row.ra_deg, row.dec_deg))
                away[:, 0] *= np.cos(np.radians(row.dec_deg))
                is_real = bool((np.hypot(*away.T) < NEAR_DEG).any())
                body = {"event_key": row.detection_id, "label": "real" if is_real else "bogus"}
                address = f"/detections/{row.detection_id}/validation-events"
                assert client.post(address, json=body).status_code == 201
                n_real += is_real
        return n_real

    def tick(self) -> dg.RunRequest | str:
        """Let the sensor for retraining decide; returns its request, or why it makes none."""
        resources = {"catalogue": self.catalogue}
        with dg.build_sensor_context(instance=self.instance, resources=resources) as context:
            data = retraining.evaluate_tick(context)
        requests = data.run_requests or []
        assert bool(requests) != bool(data.skip_message)
        return requests[0] if requests else str(data.skip_message)

    def model(self, model_id: str) -> Model:
        """Return a model by its id."""
        with self.catalogue.read() as session:
            return session.get_one(Model, model_id)

    def newest_model(self) -> Model:
        """Return the model that was made last."""
        with self.catalogue.read() as session:
            found = models.newest_model(session)
        assert found is not None
        return found

    def the_champion(self) -> Model:
        """Return the one champion that there is: in the catalogue, the store and MLflow."""
        with self.catalogue.read() as session:
            assert models.scopes(session) == [""]
            found = models.champion(session)
            rows = models.deployments(session)
        follows = [row.follows for row in rows if row.follows is not None]
        assert found is not None
        assert len(follows) == len(set(follows))
        assert self.tracking.aliases(MODEL_NAME)["champion"] == found.version
        content = self.store.get(found.onnx_key)
        assert hashlib.sha256(content).hexdigest() == found.onnx_sha256
        blank = np.zeros((1, 3, 64, 64), np.float32)
        assert np.isfinite(OnnxScorer(content).score(blank)).all()
        return found


def assert_sentence(text: str) -> None:
    """Fail for a reason that is none: two words, a class name, a traceback."""
    assert len(text.split()) >= 4, text
    assert not any(word in text for word in ("Traceback", "Error(", "object at 0x", "None")), text


@contextmanager
def embedded_world(home: Path) -> Iterator[SeasonWorld]:
    """The default: SQLite, a folder, MLflow in a file."""
    catalogue = Catalogue(f"sqlite:///{home / 'catalogue.db'}")
    store = str(home / "store")
    with dg.instance_for_test() as instance:
        yield SeasonWorld(
            catalogue,
            open_object_store(store),
            Tracking(f"sqlite:///{home / 'mlflow.db'}"),
            instance,
            WebSettings(database_url=catalogue.url, store_url=store),
        )


@contextmanager
def served_world(database_url: str, s3: S3Server, mlflow_url: str) -> Iterator[SeasonWorld]:
    """PostgreSQL, an S3 server, an MLflow server."""
    web = WebSettings(
        database_url=database_url,
        store_url=s3.url,
        s3_endpoint=s3.endpoint,
        s3_access_key=s3.access_key,
        s3_secret_key=s3.secret_key,
    )
    store = open_object_store(
        s3.url, endpoint=s3.endpoint, access_key=s3.access_key, secret_key=s3.secret_key
    )
    with dg.instance_for_test() as instance:
        yield SeasonWorld(Catalogue(database_url), store, Tracking(mlflow_url), instance, web)
