"""A few frames of one field with files in a store: each ended in another way."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select

from astrid_assets.science.astrometry.wcs_tools import footprint, tangent_plane
from astrid_assets.science.detection.candidate import RejectReason
from astrid_assets.science.differencing.difference import Difference
from astrid_assets.science.errors import Reason
from astrid_assets.science.frame import Frame
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, DifferenceRun
from astrid_assets.storage.database.tables.frames import Observation, PreprocessRun, Survey
from astrid_assets.storage.database.tables.nights import GateVerdict
from astrid_assets.storage.fits.differences import difference_to_fits
from astrid_assets.storage.fits.frames import frame_to_fits
from astrid_assets.storage.queries import gates
from astrid_assets_tests.storage.world import WHEN, World

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.objects.object_store import ObjectStore

SIDE = 96
PLACE = (150.0, 2.0)
SCALE_ARCSEC = 1.0
FLUX_ERR_E = 20.0
SEEN_SIGMA = 12.0
FAINT_SIGMA = 2.5
ZERO_POINT_MAG = 25.0
SURVEY = "sim"
OBJECT = "AST25aabc"
NIGHT = "2025-03-04"
HELD_NIGHT = "2025-03-05"
PROFILE = f'name = "{SURVEY}"\n[source]\nkind = "simulated"\n'
NUMBERS = {
    "std_score": 1.012,
    "residual_power": 0.003,
    "coverage": 0.97,
    "n_stars": 41,
    "flux_ratio": 0.98,
    "flux_ratio_scatter": 0.015,
    "offset_px": 0.21,
    "astrometric_noise_px": 0.03,
    "cross_check": {"star_difference": 0.007},
}
"""Of the subtraction of the first frame."""

BAD_TEXT = "<script>alert(1)</script>"

OUTCOMES = [
    "detected",
    "rejected_candidate",
    "below_threshold",
    "masked",
    "frame_rejected",
    "difference_rejected",
    "no_difference",
    "not_covered",
    "not_processed",
]
"""Of the frames of `NIGHT`, in order of time."""


@dataclass(frozen=True)
class SmallSky:
    """What the tests ask for."""

    catalogue: Catalogue
    store: ObjectStore
    detection_id: str
    object_id: str
    observation_id: str


def small_sky(catalogue: Catalogue, store: ObjectStore) -> SmallSky:
    """Fill a catalogue and a store; `PLACE` is at pixel [48, 48] of most frames."""
    wcs = tangent_plane(*PLACE, SCALE_ARCSEC, (SIDE, SIDE))
    # The centre of an even image lies between pixels: shift it onto one.
    wcs.wcs.crpix = [49, 49]
    cutouts = _cutouts(store)
    frame_key = store.put("processed/sim", _frame(wcs), ".fits")
    with catalogue.begin() as session:
        world = World(session, SURVEY)
        session.get_one(Survey, SURVEY).profile_toml = PROFILE
        made = [world.observation(NIGHT, number) for number in range(len(OUTCOMES))]
        held = world.observation(HELD_NIGHT, 20)
        for observation_id in (*made[:-1], held):
            world.processed(observation_id)
            run = session.get_one(PreprocessRun, ids.preprocess_id(observation_id))
            run.zero_point_mag = ZERO_POINT_MAG
            ra, dec, radius, area = footprint(wcs, (SIDE, SIDE))
            run.ra_deg, run.dec_deg, run.radius_deg = ra, dec, radius
            run.area_deg2, run.frame_key = area, frame_key
        object_id = world.sky_object("first", *PLACE, called=OBJECT)
        detections = []
        for number, peak in ((0, SEEN_SIGMA), (1, -SEEN_SIGMA)):
            difference_id = world.difference(made[number])
            detections.append(
                world.detection(
                    made[number],
                    difference_id,
                    (48, 48),
                    ra_deg=PLACE[0],
                    dec_deg=PLACE[1],
                    score_sigma=peak,
                    night=NIGHT,
                    object_id=object_id,
                    name=f"{OBJECT}.{number + 1}",
                )
            )
        for number in (2, 3, 5, 7):
            world.difference(made[number])
        world.difference(held)
        world.difference(made[6])
        session.flush()
        _write_differences(session, store, made, held, wcs)
        for detection_id in detections:
            row = session.get_one(Detection, detection_id)
            row.cutout_key, row.cutout_index = cutouts, 0
        _end_differently(session, made, detections[1])
        session.add(
            GateVerdict(
                survey=SURVEY,
                night=HELD_NIGHT,
                asset="detections",
                gate="candidate_density",
                passed=False,
                holds_back=True,
                value=9e5,
                limit="<= 200000",
                detail="flooded",
                judged_at=WHEN,
            )
        )
    return SmallSky(catalogue, store, detections[0], object_id, made[0])


def finish_detections(session: Session, night: str) -> None:
    """Say that a night's detections are finished, as the step does."""
    gates.record_summary(session, SURVEY, night, "detections", {}, "hash")


def _end_differently(session: Session, made: list[str], rejected: str) -> None:
    detection = session.get_one(Detection, rejected)
    candidate = session.get_one(CandidateRow, detection.candidate_id)
    session.delete(detection)
    candidate.is_kept = False
    candidate.reasons = int(RejectReason.DIPOLE | RejectReason.EDGE)
    trailed = session.get_one(PreprocessRun, ids.preprocess_id(made[4]))
    trailed.status, trailed.ra_deg, trailed.dec_deg = "rejected", None, None
    trailed.frame_key = None
    why = Reason(ReasonCode.ELONGATED_STARS, "stars are 3 times as long as wide")
    trailed.reasons = [why.as_dict()]
    session.get_one(Observation, made[0]).source_path = f"{BAD_TEXT}.fits"


def _write_differences(
    session: Session, store: ObjectStore, made: list[str], held: str, wcs: WCS
) -> None:
    runs = {run.observation_id: run for run in session.scalars(select(DifferenceRun))}
    elsewhere = tangent_plane(PLACE[0], PLACE[1] + 60 / 3600, SCALE_ARCSEC, (SIDE, SIDE))
    for number, observation_id in [*enumerate(made), (20, held)]:
        run = runs.get(observation_id)
        if run is None:
            continue
        peak = {0: SEEN_SIGMA, 1: -SEEN_SIGMA, 2: FAINT_SIGMA}.get(number, 0.0)
        reasons: tuple[Reason, ...] = ()
        if number == 5:
            reasons = (Reason(ReasonCode.NOISY_SCORE, "std(S_corr) is 2.1, at most 1.3"),)
        if number == 6:
            run.status, run.difference_key = "rejected", None
            run.reasons = [Reason(ReasonCode.NO_REFERENCE, "0 earlier good frames").as_dict()]
            continue
        difference = _difference(
            observation_id,
            elsewhere if number == 7 else wcs,
            peak,
            is_masked=number == 3,
            reasons=reasons,
        )
        if number == 0:
            for name, value in NUMBERS.items():
                setattr(run, name, value)
        run.difference_key = store.put(
            f"differences/{number}", difference_to_fits(difference), ".fits"
        )
        if reasons:
            run.status, run.reasons = "rejected", [r.as_dict() for r in reasons]


def _difference(
    frame_id: str,
    wcs: WCS,
    peak_sigma: float,
    *,
    is_masked: bool,
    reasons: tuple[Reason, ...],
) -> Difference:
    rng = np.random.default_rng(1)
    score = rng.normal(0, 0.3, (SIDE, SIDE)).astype(np.float32)
    score[48, 48] = peak_sigma
    mask = np.zeros((SIDE, SIDE), dtype=np.uint16)
    if is_masked:
        mask[46:51, 46:51] = int(MaskBit.SATURATED)
        score[46:51, 46:51] = 0
    error = np.full((SIDE, SIDE), FLUX_ERR_E, dtype=np.float32)
    noise = rng.normal(0, 5, (SIDE, SIDE)).astype(np.float32)
    return Difference(
        frame_id=frame_id,
        reference_id="r",
        d=noise,
        score=score,
        flux=score * error,
        flux_err=error,
        mask=mask,
        registered_reference=noise,
        psf_d=np.ones((1, 1), np.float32),
        wcs=wcs,
        zero_point_mag=ZERO_POINT_MAG,
        std_score=1.0,
        flux_ratio=1.0,
        flux_ratio_scatter=0.01,
        n_stars=20,
        offset_px=0.0,
        astrometric_noise_px=0.0,
        psf_error=0.0,
        sky_rms_e=5.0,
        reference_rms_e=5.0,
        noise_factor=1.0,
        coverage=1.0,
        limiting_mag=21.0,
        area_deg2=0.001,
        reasons=reasons,
        flags=(),
    )


def _frame(wcs: WCS) -> bytes:
    sky = np.random.default_rng(3).normal(0, 5, (SIDE, SIDE)).astype(np.float32)
    frame = Frame(
        frame_id="f",
        data=sky,
        mask=np.zeros((SIDE, SIDE), np.uint16),
        wcs=wcs,
        observed_mjd=60735.0,
        exposure_s=30.0,
        band="r",
        sky_rms_e=5.0,
    )
    return frame_to_fits(frame, None)


def _cutouts(store: ObjectStore) -> str:
    rng = np.random.default_rng(2)
    stack = rng.normal(0, 1, (2, 3, 64, 64)).astype(np.float32)
    stack[:, 2, 32, 32] = SEEN_SIGMA
    buffer = io.BytesIO()
    np.save(buffer, stack)
    return store.put("cutouts/sim", buffer.getvalue(), ".npy")
