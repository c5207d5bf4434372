"""A real microlensing event among the crowded stars of the bulge, and a cosmic ray."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.science.detection.sources import detect
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.frame import Frame
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.photometry.forced_photometry import forced_fluxes
from astrid_assets.science.processing.anchor import make_anchor
from astrid_assets.science.processing.measuring import measure_frame
from astrid_assets.science.processing.solving import solve_frame
from astrid_assets.science.settings import ProcessingSettings
from astrid_assets_tests.science.real_images import first_image

GAIN_E_PER_ADU, SATURATION_ADU = 1.9, 65_000.0
REFERENCE = "reference/kb13475_i0177.fits"
SCIENCE = (
    "science/kb13475_i0097.fits",
    "science/kb13475_i0105.fits.fz",
    "science/kb13475_i0072.fits.fz",
    "science/kb13475_i0020.fits.fz",
)
STRUCK = "cosmic_ray_pair/kb13475_i0017.fits.fz"
RAY = slice(150, 157), slice(364, 371)

pytestmark = [pytest.mark.data, pytest.mark.slow]


def measured(folder, row):
    data, _ = first_image(folder / row["file"])
    frame = Frame(
        frame_id=row["file"],
        data=data.astype(np.float32) * np.float32(GAIN_E_PER_ADU),
        mask=np.zeros(data.shape, np.uint16),
        wcs=None,
        observed_mjd=float(row["mjd_start"]),
        exposure_s=float(row["exptime_s"]),
        band="I",
        gain_e_per_adu=GAIN_E_PER_ADU,
        read_noise_e=5.0,
        saturation_e=SATURATION_ADU * GAIN_E_PER_ADU,
    )
    return measure_frame(frame, None, ProcessingSettings(wcs="stars"))


@pytest.fixture(scope="module")
def event(shared_data):
    """Per frame: its row of the table, the processed frame, the difference."""
    folder = shared_data / "saao_microlensing"
    with (folder / "frames.csv").open() as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    settings = ProcessingSettings(wcs="stars")
    first = measured(folder, rows[REFERENCE])
    anchor = make_anchor(first, settings)
    reference = solve_frame(first, anchor, settings).frame
    found = {}
    for name in [name for name in rows if name != REFERENCE]:
        frame = solve_frame(measured(folder, rows[name]), anchor, settings).frame
        difference = subtract(frame, reference, DifferencingSettings())
        found[name] = rows[name], frame, difference
    return found


@pytest.mark.parametrize("name", SCIENCE)
def test_the_event_is_a_kept_detection_at_its_place(event, name):
    row, frame, difference = event[name]
    assert difference.is_accepted
    x, y = float(row["target_x0"]), float(row["target_y0"])
    kept = [c for c in detect(difference, frame, DetectionSettings()) if c.is_kept]
    (here,) = [c for c in kept if np.hypot(c.x - x, c.y - y) < 1]
    assert here.score > 20


def test_its_forced_fluxes_follow_the_published_ones(event):
    """Read at one place of the sky on all frames, where the event is seen or not."""
    row, frame, difference = event[SCIENCE[0]]
    at = float(row["target_x0"]), float(row["target_y0"])
    (here,) = [
        c
        for c in detect(difference, frame, DetectionSettings())
        if c.is_kept and np.hypot(c.x - at[0], c.y - at[1]) < 1
    ]
    ours, errors, theirs = [], [], []
    for row, _, d in event.values():
        x, y = d.wcs.all_world2pix([here.ra_deg], [here.dec_deg], 0)
        found = forced_fluxes(d.score, d.flux_err, d.mask, x, y)
        # On the scale of the reference, which is that of the table.
        ours.append(found.flux_e[0] / d.flux_ratio)
        errors.append(found.flux_err_e[0] / d.flux_ratio)
        theirs.append(float(row["target_flux_change_vs_baseline"]))
    ours, errors, theirs = np.array(ours), np.array(errors), np.array(theirs)
    assert len(ours) == 13
    assert np.corrcoef(ours, theirs)[0, 1] > 0.995
    is_faint = np.abs(theirs) < 30
    assert (np.abs(ours[is_faint]) < 3 * errors[is_faint]).all()
    ratio = ours[~is_faint] / theirs[~is_faint]
    # The table's numbers are smoothed peaks, good to some per cent.
    np.testing.assert_allclose(ratio, np.median(ratio), rtol=0.08)


def test_the_cosmic_ray_is_called_one(event):
    _, frame, difference = event[STRUCK]
    assert (frame.mask[RAY] & MaskBit.COSMIC_RAY).any()
    kept = [c for c in detect(difference, frame, DetectionSettings()) if c.is_kept]
    assert not [c for c in kept if np.hypot(c.x - 367, c.y - 153) < 8]
