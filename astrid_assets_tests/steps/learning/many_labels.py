"""Many labelled detections with their cutouts, as the steps would leave them."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.types import CUTOUT_SIZE
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.sky_index import healpix_of
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection
from astrid_assets.storage.database.tables.review import Label, ValidationEvent, VoteRow
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.objects import layout
from astrid_assets.storage.review import labels
from astrid_assets_tests.storage.world import WHEN, World

if TYPE_CHECKING:
    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.objects.object_store import ObjectStore

FIRST_NIGHT = dt.date(2025, 3, 1)


@dataclass(frozen=True)
class ManyLabels:
    """A survey whose detections are drawn at random and labelled by one reviewer, in bulk.

    Each frame has its own cutouts of noise with a point source where it is real.
    """

    catalogue: Catalogue
    store: ObjectStore
    survey: str = "sim"
    frames_per_night: int = 4
    per_frame: int = 50
    real_fraction: float = 0.5
    confidence: float | None = None

    def add_nights(self, first: int, count: int, source: str | None = "person") -> list[str]:
        """Add nights, counted from 0; returns the detections.

        Labelled by this source; None: nobody labelled them.
        """
        return [
            detection
            for night in range(first, first + count)
            for frame in range(self.frames_per_night)
            for detection in self._frame(night, frame, source)
        ]

    def _frame(self, night_number: int, number: int, source: str | None) -> list[str]:
        rng = np.random.default_rng([night_number, number])
        night = (FIRST_NIGHT + dt.timedelta(days=night_number)).isoformat()
        n, frame_number = self.per_frame, night_number * self.frames_per_night + number
        real = rng.random(n) < self.real_fraction
        snr = rng.uniform(5, 40, n)
        ra, dec = rng.uniform(100, 200, n), rng.uniform(-30, 30, n)
        with self.catalogue.begin() as session:
            world = World(session, self.survey)
            frame = world.processed(world.observation(night, frame_number))
            difference = world.difference(frame)
            key = self.store.put(
                layout.cutouts_key(self.survey, night, frame), _cutouts(rng, real, snr), ".npy"
            )
            candidates = [
                CandidateRow(
                    id=ids.candidate_id(difference, 1, 40 * index, 0),
                    difference_id=difference,
                    peak_x=40 * index,
                    peak_y=0,
                    is_current=True,
                    x=40.0 * index,
                    y=0.0,
                    ra_deg=float(ra[index]),
                    dec_deg=float(dec[index]),
                    healpix=int(healpix_of(ra[index : index + 1], dec[index : index + 1])[0]),
                    score_sigma=float(snr[index]),
                    sign=1,
                    flux_e=1000.0,
                    flux_err_e=100.0,
                    mask_bits=0,
                    reasons=0,
                    is_kept=True,
                )
                for index in range(n)
            ]
            detections = [
                Detection(
                    id=ids.detection_id(candidate.id),
                    candidate_id=candidate.id,
                    observation_id=frame,
                    survey=self.survey,
                    night=night,
                    cutout_key=key,
                    cutout_index=index,
                    score=0.5,
                    score_kind="snr_ranking",
                    detected_at=WHEN,
                )
                for index, candidate in enumerate(candidates)
            ]
            upsert(session, candidates)
            upsert(session, detections)
            if source is not None:
                self._label(world, [d.id for d in detections], real, source)
        return [detection.id for detection in detections]

    def _label(self, world: World, detections: list[str], real: np.ndarray, source: str) -> None:
        words = ["real" if is_real else "bogus" for is_real in real]
        labels.append_events(
            world.session,
            [
                ValidationEvent(
                    event_key=f"vote {detection}",
                    detection_id=detection,
                    reviewer="ada",
                    source=source,
                    label=word,
                    confidence=self.confidence,
                    created_at=WHEN,
                )
                for detection, word in zip(detections, words, strict=True)
            ],
        )
        last = labels.last_sequence(world.session)
        upsert(
            world.session,
            [
                VoteRow(
                    detection_id=detection,
                    source=source,
                    reviewer="ada",
                    label=word,
                    sequence=last - len(words) + 1 + index,
                    n_said=1,
                )
                for index, (detection, word) in enumerate(zip(detections, words, strict=True))
            ],
        )
        upsert(
            world.session,
            [
                Label(
                    detection_id=detection,
                    label=word,
                    source=source,
                    n_votes=1,
                    agreement=1.0,
                    last_sequence=last,
                    given_sequence=last,
                )
                for detection, word in zip(detections, words, strict=True)
            ],
        )


def _cutouts(rng: np.random.Generator, real: np.ndarray, snr: np.ndarray) -> bytes:
    """Return the file of a frame's cutouts: noise, and a source where it is real."""
    images = rng.standard_normal((len(real), 3, CUTOUT_SIZE, CUTOUT_SIZE), dtype=np.float32)
    middle = CUTOUT_SIZE // 2
    images[real, 0, middle - 1 : middle + 2, middle - 1 : middle + 2] += 10
    images[:, 2, middle, middle] = snr
    buffer = io.BytesIO()
    np.save(buffer, images)
    return buffer.getvalue()
