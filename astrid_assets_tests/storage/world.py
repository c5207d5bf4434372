"""A small catalogue with a few nights in it: rows as the steps would write them."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.storage.database import ids
from astrid_assets.storage.database.sky_index import healpix_of
from astrid_assets.storage.database.tables.detections import (
    CandidateRow,
    Detection,
    DifferenceRun,
    SkyObject,
)
from astrid_assets.storage.database.tables.frames import (
    Observation,
    PreprocessRun,
    ReferenceFrame,
    Survey,
)
from astrid_assets.storage.database.upsert import upsert

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

WHEN = dt.datetime(2025, 3, 1, 12, tzinfo=dt.UTC)


@dataclass
class World:
    """Writes rows of one survey; everything has a default."""

    session: Session
    survey: str = "sim"

    def __post_init__(self) -> None:
        """Add the survey."""
        row = Survey(name=self.survey, profile_toml="", created_at=WHEN, updated_at=WHEN)
        upsert(self.session, [row])

    def observation(
        self,
        night: str,
        number: int = 0,
        *,
        kind: str = "light",
        status: str = "registered",
        field: str = "f1",
        band: str = "r",
        mjd: float | None = 60735.0,
    ) -> str:
        """Register an image and return its id."""
        path = f"{night}/{kind}-{field}-{band}-{number}.fits"
        sha256 = hashlib.sha256(f"{self.survey}/{path}".encode()).hexdigest()
        observation_id = ids.observation_id(self.survey, sha256, 0)
        row = {
            "id": observation_id,
            "survey": self.survey,
            "night": night,
            "source_path": path,
            "hdu": 0,
            "sha256": sha256,
            "size_bytes": 2880,
            "status": status,
            "kind": kind,
            "field": field,
            "band": band,
            "observed_mjd": None if mjd is None else mjd + number / 100,
            "exposure_s": 30.0,
            "registered_at": WHEN,
        }
        upsert(self.session, [Observation(**row)])
        return observation_id

    def processed(self, observation_id: str, *, status: str = "accepted") -> str:
        """Say what became of a frame."""
        row = {
            "id": ids.preprocess_id(observation_id),
            "observation_id": observation_id,
            "settings_hash": "0" * 64,
            "status": status,
            "reasons": [],
            "flags": [],
            "frame_key": "processed/x" if status == "accepted" else None,
            "fwhm_px": 3.0,
            "quality_score": 0.9,
            "processed_at": WHEN,
        }
        upsert(self.session, [PreprocessRun(**row)])
        return observation_id

    def reference(self, field: str = "f1", band: str = "r") -> str:
        """Add a reference and return its id."""
        version = ids.content_hash([self.survey, field, band])
        row = {
            "id": ids.reference_id(version),
            "survey": self.survey,
            "field": field,
            "band": band,
            "version": version,
            "last_night": "2025-03-01",
            "n_frames": 1,
            "frame_key": "references/x",
            "fwhm_px": 2.5,
            "limiting_mag": 20.0,
            "created_at": WHEN,
        }
        upsert(self.session, [ReferenceFrame(**row)])
        return ids.reference_id(version)

    def difference(
        self, observation_id: str, settings_hash: str = "a", *, current: bool = True
    ) -> str:
        """Subtract a frame and return the difference's id."""
        reference_id = self.reference()
        difference_id = ids.difference_id(observation_id, reference_id, settings_hash)
        row = {
            "id": difference_id,
            "observation_id": observation_id,
            "reference_id": reference_id,
            "settings_hash": settings_hash,
            "method": "zogy",
            "is_current": current,
            "status": "accepted",
            "reasons": [],
            "flags": [],
            "difference_key": f"differences/{difference_id}",
            "subtracted_at": WHEN,
        }
        upsert(self.session, [DifferenceRun(**row)])
        return difference_id

    def detection(
        self,
        observation_id: str,
        difference_id: str,
        peak: tuple[int, int] = (10, 20),
        *,
        ra_deg: float | None = 150.0,
        dec_deg: float | None = 2.0,
        score_sigma: float = 10.0,
        night: str = "2025-03-04",
        object_id: str | None = None,
        name: str | None = None,
    ) -> str:
        """Add a kept candidate with its detection; returns the detection's id."""
        candidate_id = ids.candidate_id(difference_id, 1, *peak)
        place = None
        if ra_deg is not None and dec_deg is not None:
            place = int(healpix_of(np.array([ra_deg]), np.array([dec_deg]))[0])
        row = {
            "id": candidate_id,
            "difference_id": difference_id,
            "peak_x": peak[0],
            "peak_y": peak[1],
            "is_current": True,
            "x": float(peak[0]),
            "y": float(peak[1]),
            "ra_deg": ra_deg,
            "dec_deg": dec_deg,
            "healpix": place,
            "score_sigma": score_sigma,
            "sign": 1,
            "flux_e": 1000.0,
            "flux_err_e": 100.0,
            "mask_bits": 0,
            "reasons": 0,
            "is_kept": True,
        }
        upsert(self.session, [CandidateRow(**row)])
        detection = {
            "id": ids.detection_id(candidate_id),
            "candidate_id": candidate_id,
            "observation_id": observation_id,
            "object_id": object_id,
            "survey": self.survey,
            "night": night,
            "cutout_key": "cutouts/x",
            "cutout_index": 0,
            "score": 0.5,
            "score_kind": "snr_ranking",
            "model_id": None,
            "detected_at": WHEN,
            "name": name,
        }
        upsert(self.session, [Detection(**detection)])
        return ids.detection_id(candidate_id)

    def sky_object(
        self, name: str, ra_deg: float, dec_deg: float, *, called: str | None = None
    ) -> str:
        """Add an object, which may be called something, and return its id."""
        object_id = ids.object_id(name)
        row = {
            "id": object_id,
            "survey": self.survey,
            "ra_deg": ra_deg,
            "dec_deg": dec_deg,
            "healpix": int(healpix_of(np.array([ra_deg]), np.array([dec_deg]))[0]),
            "created_at": WHEN,
            "name": called,
        }
        upsert(self.session, [SkyObject(**row)])
        return object_id

    def chain(
        self, night: str, number: int = 0, ra_deg: float = 150.0, dec_deg: float = 2.0
    ) -> str:
        """Take a frame all the way to one detection; returns the detection's id."""
        observation_id = self.processed(self.observation(night, number))
        return self.detection(
            observation_id,
            self.difference(observation_id),
            night=night,
            ra_deg=ra_deg,
            dec_deg=dec_deg,
        )
