"""The work behind `api`: read, measure, solve, subtract, detect, in this order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.detection.sources import detect
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.quality.frame_quality import quality_score
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.science.stars.measurement import with_sky_positions
from astrid_assets.standalone.pair import measure_input, solve_pair
from astrid_assets.standalone.results import Measurement, Subtraction
from astrid_assets.standalone.settings import settings_from
from astrid_assets.standalone.tables import candidate_table, star_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astrid_assets.standalone.inputs import Input


def subtracted(science: Input, reference: Input, settings: Mapping[str, object]) -> Subtraction:
    """Return what `api.difference` returns; it raises the same."""
    asked = settings_from(settings)
    own = measure_input(science, "science", asked)
    other = measure_input(reference, "reference", asked)
    pair = solve_pair(own, other, asked.processing)
    frame = replace(pair.science, zero_point_mag=asked.zero_point_mag)
    found = subtract(frame, pair.reference, asked.differencing)
    candidates = detect(found, frame, asked.detection)
    read = [f"{each.raw.frame_id}: {note}" for each in (own, other) for note in each.notes]
    return Subtraction(
        difference=found,
        science=frame.data,
        candidates=candidate_table(
            candidates,
            with_sky=not pair.is_local,
            with_magnitudes=asked.zero_point_mag is not None,
        ),
        wcs=None if pair.is_local else found.wcs,
        threshold_sigma=asked.detection.threshold_sigma,
        reasons=tuple(reason.message for reason in found.reasons),
        notes=(*read, *pair.notes, *(flag.message for flag in found.flags)),
    )


def measured(frame: Input, settings: Mapping[str, object]) -> Measurement:
    """Return what `api.measure` returns; it raises the same."""
    asked = settings_from(settings)
    found = measure_input(frame, "frame", asked)
    own = found.measured
    psf = own.frame.psf
    if psf is None:
        raise FrameRejected(
            ReasonCode.TOO_FEW_STARS, f"{found.raw.frame_id}: no PSF could be measured"
        )
    sky = np.where(np.isfinite(found.raw.data), found.raw.data - own.frame.data, np.nan)
    quality = own.quality
    return Measurement(
        frame=own.frame,
        psf_model=psf,
        sky=sky.astype(np.float32),
        stars=star_table(
            with_sky_positions(own.stars, own.frame.wcs),
            with_sky=own.frame.wcs is not None,
        ),
        n_stars=own.n_stars,
        quality=replace(quality, quality_score=quality_score(quality, asked.processing, None)),
        reasons=tuple(reason.message for reason in own.reasons),
        notes=(*found.notes, *(flag.message for flag in own.flags)),
    )
