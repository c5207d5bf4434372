"""Zero points: the magnitude of one electron of the whole exposure.

The scale is that of the field's anchor: its own zero point is `ANCHOR_ZERO_POINT_MAG`
until a catalogue ties the anchor to the sky (`catalogue_tie`), so magnitudes are
instrumental before. How evenly the frame was exposed is in `zero_point_field`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.robust import MAD_TO_SIGMA
from astrid_assets.science.errors import TooFewStars
from astrid_assets.science.photometry.zero_point_field import UNKNOWN, FieldVariation, variation
from astrid_assets.science.stars.measurement import StarFlag

if TYPE_CHECKING:
    from astrid_assets.science.frame import PsfModel
    from astrid_assets.science.stars.star_list import Stars

ANCHOR_ZERO_POINT_MAG = 25.0
"""Magnitude of one electron in the anchor frame; a convention, not a measurement."""

MIN_STARS = 2
QUALITIES = ((60.0, 20), (20.0, 10), (8.0, 5), (3.0, MIN_STARS))
"""S/N required of both fluxes, and the number of stars that must have it. The logarithm of a
noisy flux is biased by (N/S)^2 / 2."""

FIELD_SNR = 20.0
POG = 2.5 / np.log(10)
"""Magnitudes per relative change of flux."""

SCATTER_FLOOR_MAG = 0.003
"""Scatter that scintillation and flat field leave on every star."""

TUKEY = 5.0
"""Stars beyond this many sigma (variables, blends, galaxies) get no weight."""

ROUNDS = 30
LIMIT_SIGMA = 5.0
Array = NDArray[np.float64]


@dataclass(frozen=True)
class ZeroPoint:
    """Magnitude of one electron, with its uncertainty.

    Attributes
    ----------
    mag, error_mag
        The zero point and its standard error against the anchor.
    scatter_mag
        Robust scatter per star, photon noise included.
    n_stars, n_outliers
        Numbers of stars compared, and of those that disagree (variables, blends).
    flux_ratio
        Flux of the stars on the frame over that on the anchor.
    field
        Variation over the frame, as patchy clouds cause it.
    """

    mag: float
    scatter_mag: float
    n_stars: int
    flux_ratio: float
    error_mag: float = float("nan")
    n_outliers: int = 0
    field: FieldVariation = UNKNOWN


@dataclass(frozen=True)
class Level:
    """A robust mean: `value`, its `error`, the scatter beyond the known errors.

    `weight` (n,) is 0 for outliers, at most 1.
    """

    value: float
    error: float
    excess: float
    weight: Array


def zero_point(
    stars: Stars, anchor: Stars, anchor_zero_point_mag: float, shape: tuple[int, int] | None = None
) -> ZeroPoint:
    """Compare matched stars (same length, same order) with the anchor's.

    A robust mean of the ratios in magnitudes, weighted by photon noise and the
    scatter found: variables, blends and galaxies do not move it.

    Parameters
    ----------
    stars, anchor
        The same stars on the frame and on the anchor.
    anchor_zero_point_mag
        Magnitude of one electron in the anchor frame.
    shape : (ny, nx)
        Shape of the frame; if given, the variation over the frame is measured too.

    Returns
    -------
    zero_point
        On the anchor's scale.

    Raises
    ------
    TooFewStars
        If fewer than `MIN_STARS` have a usable flux in both frames.
    """
    chosen = usable_stars(stars, anchor)
    if chosen.sum() < MIN_STARS:
        raise TooFewStars("zero point", int(chosen.sum()), MIN_STARS)
    ratio = stars.flux[chosen] / anchor.flux[chosen]
    change = 2.5 * np.log10(ratio)
    relative = [s.flux_err[chosen] / s.flux[chosen] for s in (stars, anchor)]
    error = POG * np.hypot(*relative)
    level = robust_level(change, error)
    left = change - level.value
    field = UNKNOWN if shape is None else _field(stars, anchor, level.value, shape)
    weights = 1 / np.hypot(error, max(level.excess, SCATTER_FLOOR_MAG)) ** 2
    return ZeroPoint(
        mag=anchor_zero_point_mag + level.value,
        scatter_mag=MAD_TO_SIGMA * weighted_median(np.abs(left), weights),
        n_stars=int(chosen.sum()),
        flux_ratio=float(10 ** (0.4 * level.value)),
        error_mag=level.error,
        n_outliers=int(np.count_nonzero(level.weight == 0)),
        field=field,
    )


def _field(stars: Stars, anchor: Stars, level: float, shape: tuple[int, int]) -> FieldVariation:
    """Measure the variation over the frame; fainter stars are used too, to cover it."""
    flag, snr = stars.flag | anchor.flag, _lower_snr(stars, anchor)
    chosen = (flag == 0) & (snr > FIELD_SNR)
    left = 2.5 * np.log10(stars.flux[chosen] / anchor.flux[chosen]) - level
    relative = [s.flux_err[chosen] / s.flux[chosen] for s in (stars, anchor)]
    error = np.hypot(POG * np.hypot(*relative), SCATTER_FLOOR_MAG)
    return variation(stars.x[chosen], stars.y[chosen], left, error, shape)


def _lower_snr(stars: Stars, anchor: Stars) -> Array:
    one, other = (s.flux / np.maximum(s.flux_err, 1e-9) for s in (stars, anchor))
    return np.minimum(one, other)


def usable_stars(stars: Stars, anchor: Stars) -> NDArray[np.bool_]:
    """Choose the pairs to compare: clean and bright ones where there are enough.

    Parameters
    ----------
    stars, anchor
        The same n stars on the frame and on the anchor.

    Returns
    -------
    chosen : (n,)
        True for the pairs to compare; saturated and masked ones never are.
    """
    flag, snr = stars.flag | anchor.flag, _lower_snr(stars, anchor)
    lost = (flag & (StarFlag.SATURATED | StarFlag.MASKED)) != 0
    for least, enough in QUALITIES:
        chosen = (flag == 0) & (snr > least)
        if chosen.sum() >= enough:
            return chosen
    return ~lost & (snr > QUALITIES[-1][0])


def robust_level(values: Array, errors: Array) -> Level:
    """Return the mean of values with known errors and an unknown scatter on top.

    The excess scatter is chosen so that the median residual in sigma is that of a
    Gaussian. The mean is weighted by Tukey's biweight, so that a minority of far outliers
    has no weight.

    Parameters
    ----------
    values : (n,), magnitudes
        At least one.
    errors : (n,), magnitudes
        Known standard error of each.

    Returns
    -------
    level
        Mean, its error, the excess scatter and the weight of each value.

    References
    ----------
    Beaton & Tukey 1974, Technometrics 16, 147: the biweight.
    """
    value = weighted_median(values, 1 / (errors**2 + SCATTER_FLOOR_MAG**2))
    excess = SCATTER_FLOOR_MAG
    weight = np.ones(len(values))
    for _ in range(ROUNDS):
        excess = _excess(np.abs(values - value), errors)
        pull = (values - value) / np.hypot(errors, excess)
        weight = np.maximum(1 - (pull / TUKEY) ** 2, 0) ** 2
        if not weight.any():
            break
        share = weight / (errors**2 + excess**2)
        new = float((share * values).sum() / share.sum())
        if abs(new - value) < 1e-7:
            break
        value = new
    total = np.hypot(errors, excess)
    share = weight / total**2
    error = float(np.sqrt((share**2 * total**2).sum()) / max(share.sum(), 1e-30))
    return Level(value, error, excess, weight)


def _excess(off: Array, errors: Array) -> float:
    """Find the excess scatter that makes the median |residual| 0.6745 sigma."""
    low, high = 0.0, max(float(off.max()), SCATTER_FLOOR_MAG)
    for _ in range(40):
        middle = (low + high) / 2
        if np.median(off / np.hypot(errors, max(middle, 1e-12))) > 0.6745:
            low = middle
        else:
            high = middle
    return max(high, SCATTER_FLOOR_MAG)


def weighted_median(values: Array, weights: Array) -> float:
    """Return the value with half of the weight on either side.

    Parameters
    ----------
    values, weights : (n,)
        At least one; weights in any unit, not negative.

    Returns
    -------
    median
        In the unit of the values, interpolated between them.
    """
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    half = np.cumsum(weights) - weights / 2
    return float(np.interp(weights.sum() / 2, half, values))


def limiting_mag(zero_point_mag: float, sky_rms_e: float, psf: PsfModel) -> float:
    """Return the magnitude of a star at 5 sigma of the sky, PSF-weighted.

    ::

        m = zero_point - 2.5 log10(5 sky_rms / sqrt(sum P²))

    Parameters
    ----------
    zero_point_mag
        Magnitude of one electron.
    sky_rms_e : electrons per pixel
        Noise of the blank sky.
    psf
        PSF of the frame; its centre is used.

    Returns
    -------
    magnitude
        On the scale of the zero point.

    References
    ----------
    King 1983, PASP 95, 163: the effective area 1 / sum P².
    """
    pixels = 1 / float((psf.centre.astype(np.float64) ** 2).sum())
    faintest = LIMIT_SIGMA * sky_rms_e * np.sqrt(pixels)
    return float(zero_point_mag - 2.5 * np.log10(faintest))
