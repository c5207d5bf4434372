"""An anchor tied to a catalogue: absolute positions and catalogue magnitudes.

Everything else of the field is solved and scaled against the anchor, so one tie
makes the whole field absolute.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.arrays.robust import mad_sigma
from astrid_assets.science.astrometry.distortion import is_distorted, without_distortion
from astrid_assets.science.astrometry.solution import Solution, solve_wcs
from astrid_assets.science.astrometry.wcs_tools import footprint
from astrid_assets.science.errors import FrameRejected, TooFewStars
from astrid_assets.science.photometry.zero_point import POG, Level, robust_level
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.science.stars.measurement import StarFlag, select

if TYPE_CHECKING:
    from astropy.wcs import WCS

    from astrid_assets.science.photometry.sky_catalogue import SkyCatalogue
    from astrid_assets.science.stars.star_list import Stars

Array = NDArray[np.float64]
SEARCH_RADII = 1.5
"""Catalogue stars are searched within this many frame radii of the WCS's centre."""

MAX_STARS = 1500
"""Only the brightest in that circle: star lists of frames go no deeper."""

MAX_RMS_PX = 1.0
CLEARLY = 0.7
"""A header's distortion is left out where that brings the scatter below this share."""

MIN_STARS = 3
COLOUR_STARS = 10
MIN_COLOUR_SPREAD = 0.1
"""Scatter of the colours, magnitudes, below which no colour term is fitted."""

MIN_SNR = 10.0
ROUNDS = 5
UNKNOWN_ERR_MAG = 0.02
"""Error assumed for catalogue magnitudes without one."""


@dataclass(frozen=True, kw_only=True)
class CatalogueTie:
    """How an anchor was tied to a catalogue.

    Attributes
    ----------
    solution
        The anchor's WCS with its residuals against the catalogue's stars.
    zero_point_mag, zero_point_err_mag
        Catalogue magnitude of one electron, for a star of `colour_mag`.
    scatter_mag
        Robust scatter per star about it.
    n_stars
        Number of stars that the zero point was measured from.
    colour_term, colour_term_err
        Magnitudes per magnitude of colour; None when it was not fitted.
    colour_mag
        The median colour, to which the zero point refers; None without colours.
    is_distortion_left_out
        True: the catalogue contradicts the header's SIP terms or lookup tables.
    """

    solution: Solution
    zero_point_mag: float
    zero_point_err_mag: float
    scatter_mag: float
    n_stars: int
    colour_term: float | None = None
    colour_term_err: float | None = None
    colour_mag: float | None = None
    is_distortion_left_out: bool = False

    def summary(self) -> dict[str, float | str | None]:
        """Return the numbers worth keeping, by name."""
        rms = self.solution.residuals.rms_px
        mas = self.solution.residuals.rms_mas
        return {
            "n_matched": len(self.solution.match.ours),
            "map": self.solution.kind,
            "rms_x_px": rms[0],
            "rms_y_px": rms[1],
            "rms_x_mas": mas[0],
            "rms_y_mas": mas[1],
            "zero_point_mag": self.zero_point_mag,
            "zero_point_err_mag": self.zero_point_err_mag,
            "scatter_mag": self.scatter_mag,
            "n_stars": self.n_stars,
            "colour_term": self.colour_term,
            "colour_term_err": self.colour_term_err,
            "colour_mag": self.colour_mag,
            "header_distortion": "left out" if self.is_distortion_left_out else "kept",
        }


def tie_to_catalogue(
    stars: Stars,
    wcs: WCS,
    catalogue: SkyCatalogue,
    observed_mjd: float,
    shape: tuple[int, int],
    *,
    is_guess: bool = False,
) -> CatalogueTie:
    """Solve a frame against a catalogue and measure its zero point.

    Parameters
    ----------
    stars
        Stars of the frame.
    wcs
        The header's, or a rough one for the search, at nearly the right scale.
    catalogue
        Catalogue stars that cover the frame; moved to the date where proper motions are known.
    observed_mjd : days, UTC
        Date of the frame.
    shape : (ny, nx)
        Shape of the frame.
    is_guess
        True: the WCS only gives the field to search; stars are matched by patterns.

    Returns
    -------
    tie
        The WCS, zero point and colour term.

    Raises
    ------
    FrameRejected
        `not_in_catalogue` when the stars are not those of the catalogue there;
        `bad_astrometry` when they are, but scatter by more than a pixel.
    TooFewStars
        When too few of the matched ones have magnitudes.
    """
    ra, dec, radius, _ = footprint(wcs, shape)
    here = catalogue.at(observed_mjd).near(ra, dec, SEARCH_RADII * radius)
    here = here.part(np.arange(min(len(here), MAX_STARS)))
    if is_guess:
        solution, is_left_out = _solved(stars, None, here, wcs, shape), False
    else:
        solution, is_left_out = _by_header(stars, here, wcs, shape)
    worst = max(solution.residuals.rms_px)
    if not worst <= MAX_RMS_PX:
        raise FrameRejected(
            ReasonCode.BAD_ASTROMETRY,
            f"the stars matched with the catalogue scatter by {worst:.2f} pixels, more than "
            f"{MAX_RMS_PX:g}: they cannot define the positions of a field",
            rms_px=worst,
        )
    match = solution.match
    tie = _with_magnitudes(solution, select(stars, match.ours), here.part(match.theirs))
    return replace(tie, is_distortion_left_out=is_left_out)


def _by_header(
    stars: Stars, here: SkyCatalogue, wcs: WCS, shape: tuple[int, int]
) -> tuple[Solution, bool]:
    """Solve with the header's distortion and without it: it may be a left-over."""
    if not is_distorted(wcs):
        return _solved(stars, wcs, here, wcs, shape), False
    plain = without_distortion(wcs)
    try:
        bent = _solved(stars, wcs, here, wcs, shape)
    except FrameRejected:
        return _solved(stars, plain, here, plain, shape), True
    try:
        flat = _solved(stars, plain, here, plain, shape)
    except FrameRejected:
        return bent, False
    is_better = len(flat.match.ours) >= len(bent.match.ours) and max(
        flat.residuals.rms_px
    ) < CLEARLY * max(bent.residuals.rms_px)
    return (flat, True) if is_better else (bent, False)


def _solved(
    stars: Stars, header: WCS | None, here: SkyCatalogue, wcs: WCS, shape: tuple[int, int]
) -> Solution:
    try:
        return solve_wcs(stars, header, here.as_stars(), wcs, shape)
    except FrameRejected as error:
        ra, dec, *_ = footprint(wcs, shape)
        raise FrameRejected(
            ReasonCode.NOT_IN_CATALOGUE,
            f"no match with the {len(here)} catalogue stars around RA {ra:.4f}, Dec "
            f"{dec:.4f}: {error}",
            **error.measurements,
        ) from error


def _with_magnitudes(solution: Solution, stars: Stars, catalogue: SkyCatalogue) -> CatalogueTie:
    """Compare matched fluxes with the catalogue's magnitudes."""
    snr = stars.flux / np.maximum(stars.flux_err, 1e-9)
    lost = (stars.flag & (StarFlag.SATURATED | StarFlag.MASKED)) != 0
    usable = np.isfinite(catalogue.mag) & ~lost & (snr > MIN_SNR)
    clean = usable & (stars.flag == 0)
    chosen = clean if clean.sum() >= COLOUR_STARS else usable
    if chosen.sum() < MIN_STARS:
        raise TooFewStars("zero point by the catalogue", int(chosen.sum()), MIN_STARS)
    zero = (catalogue.mag + 2.5 * np.log10(stars.flux))[chosen]
    known = catalogue.mag_err[chosen]
    error = np.hypot(np.where(np.isfinite(known), known, UNKNOWN_ERR_MAG), POG / snr[chosen])
    colour = catalogue.colour[chosen]
    coloured = np.isfinite(colour)
    spread = float(np.std(colour[coloured])) if coloured.any() else 0.0
    if coloured.sum() < COLOUR_STARS or spread < MIN_COLOUR_SPREAD:
        level = robust_level(zero, error)
        return _tie(solution, zero - level.value, level)
    zero, error, colour = zero[coloured], error[coloured], colour[coloured]
    middle = float(np.median(colour))
    term, term_err, level = _colour_fit(zero, error, colour - middle)
    left = zero - level.value - term * (colour - middle)
    return _tie(solution, left, level, term, term_err, middle)


def _tie(
    solution: Solution,
    left: Array,
    level: Level,
    term: float | None = None,
    term_err: float | None = None,
    colour: float | None = None,
) -> CatalogueTie:
    return CatalogueTie(
        solution=solution,
        zero_point_mag=level.value,
        zero_point_err_mag=level.error,
        scatter_mag=mad_sigma(left, 0),
        n_stars=len(left),
        colour_term=term,
        colour_term_err=term_err,
        colour_mag=colour,
    )


def _colour_fit(zero: Array, error: Array, colour: Array) -> tuple[float, float, Level]:
    """Fit ``zero = level + term colour``; outliers get no weight in either."""
    term = 0.0
    level = robust_level(zero, error)
    term_err = float("nan")
    for _ in range(ROUNDS):
        share = level.weight / (error**2 + level.excess**2)
        mean = float((share * colour).sum() / share.sum())
        spread = float((share * (colour - mean) ** 2).sum())
        if spread <= 0:
            break
        term = float((share * (colour - mean) * (zero - level.value)).sum() / spread)
        total = error**2 + level.excess**2
        term_err = float(np.sqrt((share**2 * (colour - mean) ** 2 * total).sum()) / spread)
        level = robust_level(zero - term * colour, error)
    return term, term_err, level
