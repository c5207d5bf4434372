"""Summaries of injections: the shares found, and errors beside those of theory.

The injections themselves are in `sources`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.robust import mad_sigma
from astrid_assets.science.injection.sources import SNR_EDGES

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image

Values = NDArray[np.float64]
Bool = NDArray[np.bool_]

MIN_MEASURED = 5  # fewer sources do not determine a scatter
SURE_SNR = 10.0  # at and above it noise hides none: what is missed is missed for its position


def position_scale_px(psf: Image) -> float:
    """Return the theoretical error of a position, per axis, at S/N 1.

    This is the Cramér-Rao bound ``sqrt(sum P² / sum (dP/dx)²)`` of a fit to a source of this
    PSF in white noise, the mean of both axes' information. A Gaussian gives ``sqrt(2) sigma``.

    Parameters
    ----------
    psf : (n, n)
        PSF of the difference, whose noise is white.

    Returns
    -------
    error : pixels
        Divide it by the S/N of a source.
    """
    spectrum = np.abs(np.fft.fft2(psf.astype(np.float64))) ** 2
    frequency = 2 * np.pi * np.fft.fftfreq(psf.shape[0])
    # By Parseval, the slopes of the band-limited PSF rather than differences of pixels.
    slopes = spectrum * (frequency[:, None] ** 2 + frequency[None, :] ** 2) / 2
    return float(np.sqrt(spectrum.sum() / slopes.sum()))


def by_snr(snr: Values, found: Bool) -> tuple[list[int], list[int]]:
    """Count the injections, and those found, in the bins between `SNR_EDGES`.

    Parameters
    ----------
    snr : (n,)
        S/N of the injections; the sign does not matter.
    found : (n,)
        Whether they were found.

    Returns
    -------
    all, found
        Counts per bin.
    """
    bins = [(snr >= low) & (snr < high) for low, high in pairwise(SNR_EDGES)]
    return [int(b.sum()) for b in bins], [int((b & found).sum()) for b in bins]


def shares_above(
    snr: Values, found: Bool, on_galaxy: Bool, *, least: float = SURE_SNR
) -> dict[str, dict[str, int]]:
    """Count the injections that noise cannot hide: on and off galaxies, and by sign.

    Parameters
    ----------
    snr : (n,)
        Negative where light was removed.
    found, on_galaxy : (n,)
        Whether each was found, and whether it was put on a galaxy.
    least
        Lowest S/N of those that noise cannot hide.

    Returns
    -------
    counts
        Found and total, by kind of injection.
    """
    sure = np.abs(snr) >= least
    groups = {
        "off_galaxies": ~on_galaxy,
        "on_galaxies": on_galaxy,
        "brighter": snr > 0,
        "fainter": snr < 0,
    }
    return {
        name: {
            "injected": int((sure & which).sum()),
            "found": int((sure & which & found).sum()),
        }
        for name, which in groups.items()
    }


def errors_by_snr(
    snr: Values,
    flux: Values,
    measured: Values,
    measured_err: Values,
    offsets_px: Values,
    theory_px: Values,
) -> dict[str, list[float | None]]:
    """Compare the measured errors with the predicted ones, between `SNR_EDGES`.

    Parameters
    ----------
    snr, flux, measured, measured_err : (n,)
        S/N predicted, flux injected, and flux and error measured, of the sources that were
        found.
    offsets_px : (n, 2), pixels
        Measured minus true position.
    theory_px : (n,), pixels
        Error per axis that theory predicts.

    Returns
    -------
    lists by bin, None where too few were found
        ``flux_bias`` (median, relative), ``flux_pull`` (scatter in units of the quoted
        error: 1), ``flux_within_error`` (share: 0.68), ``position_px`` (scatter per axis)
        and ``position_theory_px``. Noise decides which of the faintest sources are found: their
        fluxes are biased upwards.
    """
    out: dict[str, list[float | None]] = {
        name: []
        for name in (
            "flux_bias",
            "flux_pull",
            "flux_within_error",
            "position_px",
            "position_theory_px",
        )
    }
    for low, high in pairwise(SNR_EDGES):
        b = (np.abs(snr) >= low) & (np.abs(snr) < high)
        if b.sum() < MIN_MEASURED:
            for values in out.values():
                values.append(None)
            continue
        pull = (measured[b] - flux[b]) / measured_err[b]
        found = {
            "flux_bias": np.median(measured[b] / flux[b]) - 1,
            "flux_pull": mad_sigma(pull, 0),
            "flux_within_error": np.mean(np.abs(pull) < 1),
            "position_px": mad_sigma(offsets_px[b], 0),
            "position_theory_px": np.median(theory_px[b]),
        }
        for name, value in found.items():
            out[name].append(round(float(value), 4))
    return out
