"""A frame with stars, its difference and its detections: small, real pixels, no steps.

The frame is mirrored and lies on its side, so that pictures have to be turned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import insert, update

from astrid_assets.science.astrometry.wcs_tools import tangent_plane
from astrid_assets.science.detection.measurements import as_columns
from astrid_assets.science.differencing.difference import Difference
from astrid_assets.science.frame import Frame
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, DifferenceRun
from astrid_assets.storage.database.tables.frames import PreprocessRun
from astrid_assets.storage.database.tables.learning import Model
from astrid_assets.storage.fits.differences import difference_to_fits
from astrid_assets.storage.fits.frames import frame_to_fits
from astrid_assets.storage.objects.cutout_files import cutout_file
from astrid_assets.storage.queries import gates
from astrid_assets_tests.storage.world import WHEN, World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.objects.object_store import ObjectStore

NIGHT = "2025-03-04"
SIDE = 300
FWHM_PX = 3.0
SKY_RMS_E = 10.0
MODEL_THRESHOLD = 0.6


@dataclass(frozen=True)
class SmallSky:
    """What was made: the survey and its detections, where they are."""

    survey: str
    detection_ids: list[str]
    xy: np.ndarray


def make_sky(
    catalogue: Catalogue,
    store: ObjectStore,
    n: int = 30,
    *,
    survey: str = "sim",
    with_model: bool = True,
) -> SmallSky:
    """Write a night of one frame with so many detections into catalogue and store."""
    rng = np.random.default_rng(n)
    xy = rng.uniform(5, SIDE - 5, (n, 2))
    score = rng.normal(size=(SIDE, SIDE)).astype(np.float32)
    science = rng.normal(0, SKY_RMS_E, (SIDE, SIDE)).astype(np.float32)
    reference = rng.normal(0, SKY_RMS_E, (SIDE, SIDE)).astype(np.float32)
    _add_stars(reference, rng.uniform(0, SIDE, (40, 2)), 4000.0)
    science += reference
    _add_stars(science, xy, 3000.0)
    for x, y in xy:
        score[round(y), round(x)] += 12
    # A strip without data, as a detector's dead column leaves it.
    for image in (science, reference, score):
        image[:, :3] = 0
    wcs = tangent_plane(150.0, 2.0, 0.5, (SIDE, SIDE))
    wcs.wcs.cd = np.array([[0.0, 1.0], [1.0, 0.0]]) * 0.5 / 3600
    wcs.wcs.set()
    with catalogue.begin() as session:
        world = World(session, survey)
        observation = world.processed(world.observation(NIGHT))
        difference_id = world.difference(observation)
        difference_key = store.put(
            "differences/x",
            difference_to_fits(_difference(observation, science, reference, score, wcs)),
            ".fits",
        )
        frame = Frame(
            frame_id=observation,
            data=science,
            mask=np.zeros((SIDE, SIDE), np.uint16),
            wcs=wcs,
            observed_mjd=60735.0,
            exposure_s=30.0,
            band="r",
            sky_rms_e=SKY_RMS_E,
        )
        frame_key = store.put("processed/x", frame_to_fits(frame, None), ".fits")
        session.execute(update(DifferenceRun).values(difference_key=difference_key, std_score=1.0))
        session.execute(
            update(PreprocessRun).values(frame_key=frame_key, fwhm_px=FWHM_PX, zero_point_mag=25.0)
        )
        model_id = _model(world) if with_model else None
        cutout_key = store.put("cutouts/x", _cutouts(xy, science, reference, score), ".npy")
        sky = np.asarray(wcs.all_pix2world(xy, 0))
        object_id = world.sky_object("first", float(sky[0, 0]), float(sky[0, 1]))
        rows = [
            _rows(
                difference_id,
                observation,
                survey,
                cutout_key,
                model_id,
                number,
                xy[number],
                sky[number],
                object_id if number == 0 else None,
            )
            for number in range(n)
        ]
        session.execute(insert(CandidateRow), [row[0] for row in rows])
        session.execute(insert(Detection), [row[1] for row in rows])
        gates.record_summary(session, survey, NIGHT, "detections", {"n": n}, "a")
    return SmallSky(survey, [str(row[1]["id"]) for row in rows], xy)


def _add_stars(image: np.ndarray, xy: Sequence[Sequence[float]] | np.ndarray, flux: float) -> None:
    y, x = np.mgrid[:SIDE, :SIDE]
    sigma = FWHM_PX / 2.3548
    for x0, y0 in xy:
        image += (
            flux
            / (2 * np.pi * sigma**2)
            * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * sigma**2)).astype(np.float32)
        )


def _difference(observation, science, reference, score, wcs) -> Difference:
    return Difference(
        frame_id=observation,
        reference_id="r",
        d=science - reference,
        score=score,
        flux=score * 100,
        flux_err=np.full((SIDE, SIDE), 100, np.float32),
        mask=np.zeros((SIDE, SIDE), np.uint16),
        registered_reference=reference,
        psf_d=np.full((3, 3), 1 / 9, np.float32),
        wcs=wcs,
        zero_point_mag=25.0,
        std_score=1.0,
        flux_ratio=1.0,
        flux_ratio_scatter=0.01,
        n_stars=40,
        offset_px=0.0,
        astrometric_noise_px=0.0,
        psf_error=0.0,
        sky_rms_e=SKY_RMS_E,
        reference_rms_e=SKY_RMS_E,
        noise_factor=1.0,
        coverage=1.0,
        limiting_mag=20.0,
        area_deg2=0.001,
    )


def _cutouts(xy, science, reference, score) -> bytes:
    stamps = np.zeros((len(xy), 3, 64, 64), np.float32)
    for number, (x, y) in enumerate(xy):
        for channel, (image, unit) in enumerate(
            ((science, SKY_RMS_E), (reference, SKY_RMS_E), (score, 1.0))
        ):
            wide = np.pad(image, 32)
            column, row = round(x), round(y)
            stamps[number, channel] = wide[row : row + 64, column : column + 64] / unit
    edge = np.full(len(xy), 12.5)
    return cutout_file(stamps, as_columns({"edge": edge}, len(xy)))


def _model(world: World) -> str:
    model_id = ids.model_id("0" * 64)
    world.session.add(
        Model(
            id=model_id,
            name="unet",
            version="1",
            training_run_id=None,
            onnx_sha256="0" * 64,
            onnx_key="models/x",
            metrics={"roc_auc": 0.9},
            threshold=MODEL_THRESHOLD,
            created_at=WHEN,
        )
    )
    world.session.flush()
    return model_id


def _rows(difference_id, observation, survey, cutout_key, model_id, number, xy, sky, object_id):
    candidate_id = ids.candidate_id(difference_id, 1, round(xy[0]), round(xy[1]))
    candidate = {
        "id": candidate_id,
        "difference_id": difference_id,
        "peak_x": round(xy[0]),
        "peak_y": round(xy[1]),
        "is_current": True,
        "x": float(xy[0]),
        "y": float(xy[1]),
        "ra_deg": float(sky[0]),
        "dec_deg": float(sky[1]),
        "healpix": None,
        "score_sigma": 12.0,
        "sign": 1,
        "flux_e": 3000.0,
        "flux_err_e": 250.0,
        "mag": 16.3,
        "mag_err": 0.09,
        "fwhm_px": 3.2,
        "elongation": 1.1,
        "mask_bits": 16,
        "reasons": 0,
        "is_kept": True,
    }
    detection = {
        "id": ids.detection_id(candidate_id),
        "candidate_id": candidate_id,
        "observation_id": observation,
        "object_id": object_id,
        "survey": survey,
        "night": NIGHT,
        "cutout_key": cutout_key,
        "cutout_index": number,
        "score": 0.3 + 0.6 * (number % 7) / 7,
        "score_kind": "model" if model_id else "snr_ranking",
        "model_id": model_id,
        "detected_at": WHEN,
    }
    return candidate, detection
