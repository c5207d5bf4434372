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

from typing import TYPE_CHECKING

from astrid_assets.resources.environment import keep_compiled_code

if TYPE_CHECKING:
    from astrid_assets.standalone.inputs import Input
    from astrid_assets.standalone.results import Measurement, Subtraction


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
    keep_compiled_code()
    from astrid_assets.standalone.working import subtracted

    return subtracted(science, reference, settings)


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
    keep_compiled_code()
    from astrid_assets.standalone.working import measured

    return measured(frame, settings)
