"""Labelled detections of a made-up sky, as collections find them in the catalogue."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.compute import Compute
from astrid_assets.steps.learning.settings import CollectionSettings
from astrid_assets.steps.learning.sides import Sides, sides_of
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.tables.detections import Detection
from astrid_assets.storage.database.tables.frames import Observation, Survey
from astrid_assets.storage.database.tables.review import Label
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.objects.object_store import open_object_store
from astrid_assets.storage.review.labels import LabelledRow
from astrid_assets_tests.storage.world import WHEN, World

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from astrid_assets.storage.database.catalogue import Catalogue

ARCSEC = 1 / 3600


def tools_of(catalogue: Catalogue, folder: Path) -> Tools:
    """Return tools with a catalogue and an empty store."""
    return Tools(catalogue, open_object_store(str(folder / "store")), Compute())


@dataclass
class LabelledSky:
    """Makes rows, and the frames that they need in the catalogue."""

    catalogue: Catalogue
    surveys: set[str] = field(default_factory=set)
    frames: set[str] = field(default_factory=set)

    def survey(self, name: str, profile_toml: str = "") -> None:
        """Add a survey, once."""
        if name not in self.surveys:
            self.surveys.add(name)
            with self.catalogue.begin() as session:
                row = Survey(name=name, profile_toml=profile_toml, created_at=WHEN, updated_at=WHEN)
                upsert(session, [row])

    def row(
        self,
        position: tuple[float | None, float | None],
        *,
        label: str = "real",
        survey: str = "wide",
        frame: str = "a",
        pixel: tuple[float, float] | None = None,
        object_id: str | None = None,
        night: str = "2025-03-01",
    ) -> LabelledRow:
        """Return a labelled detection of a frame whose file has this content."""
        self.survey(survey)
        sha256 = hashlib.sha256(frame.encode()).hexdigest()
        observation_id = ids.observation_id(survey, sha256, 0)
        if observation_id not in self.frames:
            self.frames.add(observation_id)
            with self.catalogue.begin() as session:
                row = Observation(
                    id=observation_id,
                    survey=survey,
                    night=night,
                    source_path=frame,
                    hdu=0,
                    sha256=sha256,
                    size_bytes=1,
                    status="registered",
                    registered_at=WHEN,
                )
                upsert(session, [row])
        x, y = pixel or (
            float(np.fmod(hash(position) % 10_007, 4000)),
            float(hash(position) % 3989),
        )
        detection_id = ids.content_hash([observation_id, position, x, y])[:36]
        return LabelledRow(
            detection_id=detection_id,
            candidate_id=detection_id,
            name=None,
            difference_id="d",
            observation_id=observation_id,
            object_id=object_id,
            survey=survey,
            night=night,
            field="",
            band="r",
            observed_mjd=60735.0,
            exposure_s=30.0,
            source_path=frame,
            x=x,
            y=y,
            ra_deg=position[0],
            dec_deg=position[1],
            score_sigma=10.0,
            sign=1,
            flux_e=1.0,
            flux_err_e=0.1,
            aperture_flux_e=None,
            aperture_flux_err_e=None,
            mag=None,
            mag_err=None,
            candidate_fwhm_px=None,
            elongation=None,
            mask_bits=0,
            fwhm_px=3.0,
            quality_score=None,
            limiting_mag=None,
            cutout_key="",
            cutout_index=0,
            score=0.5,
            score_kind="snr_ranking",
            model_id=None,
            detected_at=WHEN,
            label=label,
            classification=None,
            source="person",
            n_votes=1,
            agreement=1.0,
            last_sequence=1,
            carried_from=None,
        )

    def field_of(self, count: int, *, seed: int = 0, survey: str = "wide") -> list[LabelledRow]:
        """Return one detection at each of so many positions, real and bogus in turn."""
        rng = np.random.default_rng(seed)
        sky = np.column_stack([rng.uniform(149, 151, count), rng.uniform(1, 3, count)])
        return [
            self.row((float(ra), float(dec)), label=("real", "bogus")[number % 2], survey=survey)
            for number, (ra, dec) in enumerate(sky)
        ]


def store_night(
    tools: Tools,
    cutouts: NDArray[np.float32],
    labels: Sequence[str],
    sky: NDArray[np.float64],
    *,
    survey: str = "wide",
    night: str = "2025-03-04",
    content: str | None = None,
) -> list[str]:
    """Put labelled detections of one frame into the catalogue; returns their ids.

    Parameters
    ----------
    cutouts : (n, 3, 64, 64)
    sky : (n, 2), degrees
    content
        What the frame's file holds; None: something of its own.
    """
    buffer = io.BytesIO()
    np.save(buffer, cutouts)
    key = tools.store.put(f"cutouts/{survey}/{night}", buffer.getvalue(), ".npy")
    made = []
    with tools.catalogue.begin() as session:
        world = World(session, survey)
        frame = world.processed(world.observation(night))
        if content is not None:
            session.get_one(Observation, frame).sha256 = content
            session.flush()
        difference = world.difference(frame)
        for index, (label, (ra, dec)) in enumerate(zip(labels, sky.tolist(), strict=True)):
            name = world.detection(
                frame, difference, (40 * index, 5), ra_deg=ra, dec_deg=dec, night=night
            )
            row = session.get_one(Detection, name)
            row.cutout_key, row.cutout_index = key, index
            session.add(
                Label(
                    detection_id=name,
                    label=label,
                    source="person",
                    n_votes=2,
                    agreement=1.0,
                    last_sequence=1,
                    given_sequence=1,
                )
            )
            session.flush()
            made.append(name)
    return made


def given(
    tools: Tools,
    rows: Sequence[LabelledRow],
    *,
    hashes: Sequence[str] | None = None,
    duplicates: Sequence[str] | None = None,
    settings: CollectionSettings | None = None,
) -> Sides:
    """Give rows their sides; without hashes every cutout has pixels of its own."""
    return sides_of(
        tools,
        rows,
        np.array([row.label == "real" for row in rows]),
        np.array(hashes or [row.detection_id for row in rows]),
        np.array(duplicates or [""] * len(rows)),
        settings or CollectionSettings(),
    )
