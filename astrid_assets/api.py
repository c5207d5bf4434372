"""For notebooks and scripts: subtract two frames, or measure one, without a survey.

::

    from astrid_assets import api

    result = api.difference("science.fits", "reference.fits")
    result.kept          # an astropy Table of what changed
    result.plot()
    result.write("difference.fits")

Bands, dates, nights and anchors are not asked for; what has to be assumed stands in
`notes`, with the argument that settles it. Nights and seasons are what `astrid
backfill` is for; the formulas are in `science`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.detection.sources import detect
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.quality.frame_quality import quality_score
from astrid_assets.science.stars.measurement import with_sky_positions
from astrid_assets.standalone.pair import measure_input, solve_pair
from astrid_assets.standalone.results import Measurement, Subtraction
from astrid_assets.standalone.settings import settings_from
from astrid_assets.standalone.tables import candidate_table, star_table

if TYPE_CHECKING:
    from astrid_assets.standalone.inputs import Input


def difference(science: Input, reference: Input, **settings: object) -> Subtraction:
    """Subtract a reference from a science frame and list what changed.

    Sky, noise, stars and PSF are measured on both frames; the frames are registered
    by their stars, with the help of their WCS where they have one. Shapes and pixel
    scales may differ.

    Parameters
    ----------
    science, reference
        A path of a FITS file; or an array (ny, nx), in ADU unless ``BUNIT`` says
        electrons; or a pair of it and its header (FITS header, mapping or WCS); or a
        `astropy.nddata.CCDData`; or an HDU. Calibrated: bias, dark and flat are done.
    **settings
        What headers do not say: `gain_e_per_adu`, `read_noise_e`, `saturation_adu`,
        `hdu`, `zero_point_mag` (of one electron of the science frame); and every field
        of `ProcessingSettings`, `DifferencingSettings` and `DetectionSettings`, such
        as `threshold_sigma` or `method`.

    Returns
    -------
    result
        D, its PSF, S_corr, flux, mask and candidates, on the science frame's pixels.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FrameRejected
        If a file holds no usable image, a frame cannot be measured, or the frames
        do not show the same stars; `code` names the cause.
    TooFewStars
        If the frames have too few stars, or too few in common.
    TypeError, ValueError
        If a setting is unknown or out of range.

    References
    ----------
    Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27.
    """
    asked = settings_from(settings)
    new = measure_input(science, "science", asked)
    old = measure_input(reference, "reference", asked)
    pair = solve_pair(new, old, asked.processing)
    frame = replace(pair.science, zero_point_mag=asked.zero_point_mag)
    found = subtract(frame, pair.reference, asked.differencing)
    candidates = detect(found, frame, asked.detection)
    read = [f"{each.raw.frame_id}: {note}" for each in (new, old) for note in each.notes]
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


def measure(frame: Input, **settings: object) -> Measurement:
    """Measure the sky, noise, stars, PSF, mask and quality of one frame.

    Parameters
    ----------
    frame, **settings
        As for `difference`.

    Returns
    -------
    result
        Frame without its sky, sky, mask, PSF, stars and quality.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FrameRejected
        If the file holds no usable image or nothing can be measured on it.
    TypeError, ValueError
        If a setting is unknown or out of range.
    """
    asked = settings_from(settings)
    found = measure_input(frame, "frame", asked)
    measured = found.measured
    psf = measured.frame.psf
    if psf is None:
        raise FrameRejected("too_few_stars", f"{found.raw.frame_id}: no PSF could be measured")
    sky = np.where(np.isfinite(found.raw.data), found.raw.data - measured.frame.data, np.nan)
    quality = measured.quality
    return Measurement(
        frame=measured.frame,
        psf_model=psf,
        sky=sky.astype(np.float32),
        stars=star_table(
            with_sky_positions(measured.stars, measured.frame.wcs),
            with_sky=measured.frame.wcs is not None,
        ),
        n_stars=measured.n_stars,
        quality=replace(quality, quality_score=quality_score(quality, asked.processing, None)),
        reasons=tuple(reason.message for reason in measured.reasons),
        notes=(*found.notes, *(flag.message for flag in measured.flags)),
    )
