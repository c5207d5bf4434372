"""A real supernova, from calibrated frames of three sites to kept detections."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from astropy.time import Time
from astropy.wcs import WCS

from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.science.detection.sources import detect
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.frame import Frame
from astrid_assets.science.processing.anchor import make_anchor
from astrid_assets.science.processing.measuring import measure_frame
from astrid_assets.science.processing.solving import solve_frame
from astrid_assets.science.reference.stacking import build_reference
from astrid_assets.science.settings import ProcessingSettings, ReferenceSettings
from astrid_assets_tests.science.real_images import first_image

RA_DEG, DEC_DEG = 14.263292, -37.039889
GAIN_E_PER_ADU = 1.5
REFERENCE = (
    "kmtnet_20150922_2569_ctio.fits",
    "kmtnet_20150922_2736_ctio.fits.fz",
    "kmtnet_20150920_9535_saao.fits.fz",
)
SCIENCE = {  # file and the S/N that the supernova has at least
    "kmtnet_20151006_9528_saao.fits.fz": 60,
    "kmtnet_20151017_4861_sso.fits.fz": 30,
    "kmtnet_20151024_0361_ctio.fits.fz": 7,
}


def read(path):
    with warnings.catch_warnings():
        # The headers hold cards that strict readers complain about.
        warnings.simplefilter("ignore")
        data, header = first_image(path)
        wcs = WCS(header)
    return Frame(
        frame_id=path.name,
        data=data.astype(np.float32) * np.float32(GAIN_E_PER_ADU),
        mask=np.zeros(data.shape, np.uint16),
        wcs=wcs,
        observed_mjd=float(np.asarray(Time(header["DATE-OBS"]).to_value("mjd"))),
        exposure_s=60.0,
        band="B",
        gain_e_per_adu=GAIN_E_PER_ADU,
        saturation_e=50_000.0 * GAIN_E_PER_ADU,
    )


@pytest.mark.data
@pytest.mark.slow
def test_the_supernova_is_a_kept_detection_at_its_place(shared_data):
    folder, settings = shared_data / "kmtnet_supernova", ProcessingSettings()
    measured = [
        measure_frame(read(folder / "reference" / name), None, settings) for name in REFERENCE
    ]
    anchor = make_anchor(measured[0], settings)
    members = [solve_frame(m, anchor, settings).frame for m in measured]
    reference = build_reference(members, ReferenceSettings())
    for name, least in SCIENCE.items():
        frame = measure_frame(read(folder / "science" / name), None, settings)
        science = solve_frame(frame, anchor, settings).frame
        difference = subtract(science, reference, DifferencingSettings())
        assert difference.is_accepted
        # The noise of these read-outs is not white; it is measured, not assumed.
        assert difference.std_score == pytest.approx(1, abs=0.15)
        kept = [c for c in detect(difference, science, DetectionSettings()) if c.is_kept]
        offsets = [
            3600 * np.hypot((c.ra_deg - RA_DEG) * np.cos(np.radians(DEC_DEG)), c.dec_deg - DEC_DEG)
            for c in kept
        ]
        nearest = int(np.argmin(offsets))
        assert offsets[nearest] < 1
        assert kept[nearest].score > least
        assert nearest == 0  # nothing else in the field changes as much
        assert len(kept) < 15
