"""What is measured of a candidate and travels with its cutout to the network.

A cutout shows pixels; whether a light is as sharp as the PSF, how well the PSF fits, and
what lies around it, detection has measured on the whole frame, with the PSF at that spot.
Every number is free of units that belong to one camera: ratios, lengths in FWHM. What was
not measured is NaN, which is not zero.

References
----------
Numbers beside cutouts: Carrasco-Davis et al. 2021, AJ 162, 231 (ALeRCE's stamp classifier);
Rehemtulla et al. 2024, ApJ 972, 7 (BTSbot).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from astrid_assets.science.detection.candidate import Candidate

Measurements = NDArray[np.float32]
"""(n, len(`MEASUREMENTS`)); NaN where a number was not measured."""

MEASUREMENTS: dict[str, str] = {
    "significance": "natural logarithm of |S_corr|",
    "fwhm_ratio": "FWHM on the difference over that of the frame's stars",
    "elongation": "long over short axis on the difference",
    "size_ratio": "weighted second moment over that of the PSF",
    "ellipticity": "of the weighted moments, relative to the PSF",
    "aperture_ratio": "flux within 1.5 FWHM over the PSF flux",
    "aperture_error": "standard error of that flux over the PSF flux",
    "sharp_gain": "chi-square by which few lit pixels fit the frame better than the PSF",
    "frame_chi2": "reduced chi-square of the PSF on the frame less the reference",
    "opposite_near": "highest |S_corr| of the other sign within 1.5 FWHM, over the peak's",
    "opposite_far": "the same within 3 FWHM",
    "noise_ratio": "noise of the difference around it over that of blank sky",
    "psf_ratio": "FWHM of the difference's PSF over that of the frame's",
    "fwhm_px": "FWHM of the frame's stars, pixels",
    "edge": "distance from the nearest edge of the frame, in FWHM, 30 at most",
}
"""Name and meaning of each number, in the order of the columns."""


def as_columns(numbers: Mapping[str, NDArray[np.floating]], n: int) -> Measurements:
    """Return numbers by name as columns; NaN for what is not given or not finite.

    Parameters
    ----------
    numbers
        (n,) each.
    n
        Number of candidates.

    Returns
    -------
    measurements : (n, len(MEASUREMENTS))
        In the units that `MEASUREMENTS` names.

    Raises
    ------
    ValueError
        If a name is unknown or a column has another length.
    """
    if unknown := set(numbers) - set(MEASUREMENTS):
        raise ValueError(
            f"nothing measured is called {min(unknown)!r}; there are {', '.join(MEASUREMENTS)}"
        )
    found = np.full((n, len(MEASUREMENTS)), np.nan, dtype=np.float32)
    for column, name in enumerate(MEASUREMENTS):
        if name in numbers:
            values = np.asarray(numbers[name], dtype=np.float32)
            if values.shape != (n,):
                raise ValueError(f"{name} needs {n} numbers, got {values.shape}")
            found[:, column] = np.where(np.isfinite(values), values, np.nan)
    return found


def stacked(candidates: Sequence[Candidate]) -> Measurements:
    """Return the measurements of candidates as columns.

    Parameters
    ----------
    candidates : n
        As `sources.detect` lists them.

    Returns
    -------
    measurements : (n, len(MEASUREMENTS))
        In the units that `MEASUREMENTS` names.
    """
    if not candidates:
        return unmeasured(0)
    return np.array([candidate.measurements for candidate in candidates], dtype=np.float32)


def unmeasured(n: int) -> Measurements:
    """Return the numbers of cutouts of which nothing was measured, as of alerts.

    Parameters
    ----------
    n
        Number of cutouts.

    Returns
    -------
    measurements : (n, len(MEASUREMENTS))
        All of them NaN.
    """
    return as_columns({}, n)
