"""Many detections at once, for queues and searches: bulk rows of one difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import insert

from astrid_assets.storage.database import ids
from astrid_assets.storage.database.sky_index import healpix_of
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection
from astrid_assets_tests.storage.world import WHEN, World

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

WIDTH = 4000  # pixels of the frame they are on


def crowded_night(
    session: Session,
    night: str,
    n: int,
    *,
    survey: str = "sim",
    number: int = 0,
    model_id: str | None = None,
) -> list[str]:
    """Add a frame with so many detections on a night; returns their ids."""
    rng = np.random.default_rng([number, n])
    world = World(session, survey)
    observation = world.processed(world.observation(night, number))
    difference = world.difference(observation)
    sky = np.column_stack([rng.uniform(149, 151, n), rng.uniform(1, 3, n)])
    healpix = healpix_of(sky[:, 0], sky[:, 1])
    score = rng.beta(0.6, 0.6, n)
    candidates: list[dict[str, object]] = []
    detections: list[dict[str, object]] = []
    for i in range(n):
        x, y = i % WIDTH, i // WIDTH
        candidate_id = ids.candidate_id(difference, 1, x, y)
        candidates.append(
            {
                "id": candidate_id,
                "difference_id": difference,
                "peak_x": x,
                "peak_y": y,
                "is_current": True,
                "x": float(x),
                "y": float(y),
                "ra_deg": float(sky[i, 0]),
                "dec_deg": float(sky[i, 1]),
                "healpix": int(healpix[i]),
                "score_sigma": 5 + 20 * float(score[i]),
                "sign": 1,
                "flux_e": 1000.0,
                "flux_err_e": 100.0,
                "mask_bits": 0,
                "reasons": 0,
                "is_kept": True,
            }
        )
        detections.append(
            {
                "id": ids.detection_id(candidate_id),
                "candidate_id": candidate_id,
                "observation_id": observation,
                "survey": survey,
                "night": night,
                "cutout_key": "cutouts/x",
                "cutout_index": 0,
                "score": float(score[i]),
                "score_kind": "snr_ranking" if model_id is None else "model",
                "model_id": model_id,
                "detected_at": WHEN,
            }
        )
    session.execute(insert(CandidateRow), candidates)
    session.execute(insert(Detection), detections)
    return [str(row["id"]) for row in detections]
