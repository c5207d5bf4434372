"""Four MeerLICHT candidates: our D and S_corr against those of the survey's ZOGY."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from astropy.wcs import WCS

from astrid_assets.science.differencing.filters import Noises
from astrid_assets.science.differencing.zogy import match
from astrid_assets.science.errors import TooFewStars
from astrid_assets.science.frame import Frame
from astrid_assets.science.psf.fitting import fit_psf
from astrid_assets.science.simulation.point_spread import PsfField
from astrid_assets.science.stars.measurement import measure_stars

pytestmark = pytest.mark.data

SHAPE = (100, 100)
CORE = slice(41, 58)
SURVEY_FWHM_PX = 4.2  # of that night; where a cutout has too few stars to tell
RATIOS = np.arange(0.94, 1.061, 0.01)
CANDIDATES = (9184, 9210, 12110, 13585)


def robust(values):
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def frame_of(image):
    """The cutout as a frame, its PSF from its own stars where it has them."""
    # A spreadsheet had lost two characters of each image.
    bad = ~(np.abs(image) < 1e6)
    data = np.where(bad, 0, image).astype(np.float32)
    noise = robust(data - np.roll(data, 1, 1)) / np.sqrt(2)
    frame = Frame(
        frame_id="cutout",
        data=data,
        mask=(bad * 64).astype(np.uint16),
        variance=(noise**2 + np.maximum(data, 0)).astype(np.float32),
        wcs=WCS(naxis=2),
        observed_mjd=57997.0,
        exposure_s=60.0,
        band="q",
        gain_e_per_adu=1.0,
        saturation_e=6e4,
        sky_rms_e=noise,
    )
    try:
        psf = fit_psf(frame, measure_stars(frame))
    except TooFewStars:
        psf = PsfField(frame_shape=SHAPE, fwhm_px=SURVEY_FWHM_PX).model()
    return replace(frame, psf=psf)


def difference_of(science, reference, ratio):
    return match(
        science.data,
        reference.data * np.float32(ratio),
        science.psf.centre[None],
        reference.psf.centre[None],
        science.variance,
        reference.variance * np.float32(ratio**2),
        Noises(science.sky_rms_e, reference.sky_rms_e * ratio),
    )


def peak(image):
    core = image[CORE, CORE]
    row, column = np.unravel_index(np.abs(core).argmax(), core.shape)
    return row, column, core[row, column]


@pytest.mark.parametrize("candidate", CANDIDATES)
def test_sign_and_place_are_those_that_the_survey_published(shared_data, candidate):
    table = pl.read_parquet(shared_data / "meerlicht_votes" / "candidates.parquet")
    (row,) = table.filter(pl.col("candidate_id") == candidate).to_dicts()
    science, reference, d, score = (
        np.frombuffer(row[f"cutout_{name}"], "<f4").reshape(SHAPE)
        for name in ("science", "reference", "difference", "scorr")
    )
    science, reference = frame_of(science), frame_of(reference)
    # The flux ratio is not published: it is the one with which our D is theirs
    # everywhere but at the candidate.
    outside = np.abs(d) < 1e6
    outside[CORE, CORE] = False
    matches = [difference_of(science, reference, ratio) for ratio in RATIOS]
    alike = [np.corrcoef(m.d[outside], d[outside])[0, 1] for m in matches]
    m = matches[int(np.argmax(alike))]
    ours, theirs = peak(m.flux / np.sqrt(m.variance)), peak(score)
    assert np.sign(ours[2]) == np.sign(theirs[2])
    assert abs(ours[2]) > 4
    assert np.hypot(ours[0] - theirs[0], ours[1] - theirs[1]) < 2
    at_peak = m.d[CORE, CORE][theirs[0], theirs[1]]
    assert np.sign(at_peak) == np.sign(d[CORE, CORE][theirs[0], theirs[1]])
