"""What a frame tells about itself is what was painted on it, and can be stored."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from astrid_assets.pictures.diagnostics import diagnostics_picture
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.processing.anchor import make_anchor
from astrid_assets.science.processing.diagnostics import (
    FrameDiagnostics,
    frame_diagnostics,
    masked_shares,
)
from astrid_assets.science.processing.measuring import measure_frame
from astrid_assets.science.processing.solving import solve_frame
from astrid_assets.science.settings import ProcessingSettings
from astrid_assets_tests.science.star_fields import raw_frame, star_field, tangent_wcs

SETTINGS = ProcessingSettings()
EVENT_LOG_BYTES = 30_000


@pytest.fixture(scope="module")
def solved():
    rng = np.random.default_rng(4)
    field = star_field(rng, 120, fwhm_px=3.2)
    wcs = tangent_wcs(field.image.shape, scale_arcsec=0.5)
    measured = measure_frame(raw_frame(field.image, wcs), None, SETTINGS)
    anchor = make_anchor(measured, SETTINGS)
    return measured, solve_frame(measured, anchor, SETTINGS)


def test_shares_of_the_mask_are_counted_bit_by_bit():
    mask = np.zeros((10, 10), np.uint16)
    mask[0] = int(MaskBit.EDGE)
    mask[0, :5] |= int(MaskBit.TRAIL)
    mask[5, 5] = int(MaskBit.COSMIC_RAY)
    assert masked_shares(mask) == {"edge": 0.1, "trail": 0.05, "cosmic_ray": 0.01}


def part_of(found: FrameDiagnostics, name: str) -> dict[str, Any]:
    part = found.details[name]
    assert isinstance(part, dict)
    return part


def test_maps_and_residuals_are_those_of_the_frame(solved):
    measured, processed = solved
    found = frame_diagnostics(processed, measured)
    widths = np.array(part_of(found, "psf")["fwhm_px"])
    assert widths == pytest.approx(np.full((5, 5), 3.2), rel=0.08)
    assert found.astrometric_rms_x_px == pytest.approx(0, abs=1e-3)
    assert found.astrometric_rms_x_px is not None
    assert found.astrometric_rms_x_mas == pytest.approx(
        500 * found.astrometric_rms_x_px, rel=0.01, abs=1e-6
    )
    astrometry = part_of(found, "astrometry")
    assert 0 < np.array(astrometry["stars"]).sum() <= astrometry["matched"]
    assert found.noise_ratio is None  # nothing is known of a calibrated detector
    assert json.loads(json.dumps(found.details, allow_nan=False)) == found.details


def test_a_frame_without_a_place_still_tells_of_its_psf(solved):
    measured, processed = solved
    lost = replace(processed, solution=None, zero_point=None)
    found = frame_diagnostics(lost, measured)
    assert found.wcs_kind is None
    assert found.astrometric_rms_x_px is None
    assert "astrometry" not in found.details
    assert found.details["psf"]


@pytest.mark.slow
def test_the_picture_is_small_and_the_same_twice(solved):
    measured, processed = solved
    details = frame_diagnostics(processed, measured).details
    first = diagnostics_picture(processed.frame, details)
    assert first.startswith(b"\x89PNG")
    assert len(first) < EVENT_LOG_BYTES
    assert diagnostics_picture(processed.frame, details) == first
