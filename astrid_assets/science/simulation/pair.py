"""A pair of frames with known truth: what the science tests subtract and search.

Both frames are calibrated and background-subtracted; PSFs, variances and WCS are the
true ones, so a test measures the algorithm and not the processing before it. Whole
raw nights with every artefact are in `exposure`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.simulation.optimal import difference_snr
from astrid_assets.science.simulation.painting import paint_stars
from astrid_assets.science.simulation.pair_side import PairSide, psf_field, tangent_wcs

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.frame import Frame
    from astrid_assets.science.simulation.point_spread import Array, PsfField

MARGIN_PX = 40
"""Stars are laid out this far beyond the frame, so that its edge looks like sky."""

MIN_SEPARATION_PX = 14.0
BORDER_PX = 20.0
NOISY_FLUX_E = 3000.0
"""Brighter stars add noise that the theoretical S/N does not know."""

SCIENCE_MJD = 60736.2
REFERENCE_MJD = 60706.2
BRIGHTEST_FLUX_E = 3e6
COUNTS_SLOPE = 0.35
"""Stars per magnitude grow as ``10 ** (COUNTS_SLOPE * mag)``."""


@dataclass(frozen=True, kw_only=True)
class InjectedTransient:
    """One change of flux; `x`, `y` on the science frame, `reference_x/_y` on the other.

    `flux_e` in electrons of the science frame, negative where it faded; `snr` what a
    perfect subtraction with the true PSFs can reach, with the sign of the flux.
    """

    x: float
    y: float
    reference_x: float
    reference_y: float
    ra_deg: float
    dec_deg: float
    flux_e: float
    snr: float


@dataclass(frozen=True, kw_only=True)
class SimulatedPair:
    """Science and reference frame with their truth.

    `stars_x`, `stars_y`, `stars_flux_e` are the constant stars as painted on the
    science frame (jitter included, flux in its electrons); `flux_ratio` is electrons
    of the science frame per electron of the reference.
    """

    science: Frame
    reference: Frame
    transients: tuple[InjectedTransient, ...]
    science_psf: PsfField
    reference_psf: PsfField
    flux_ratio: float
    stars_x: Array
    stars_y: Array
    stars_flux_e: Array


def simulate_pair(
    seed: int,
    shape: tuple[int, int] = (512, 512),
    *,
    stars_per_mpx: float = 2500.0,
    faintest_flux_e: float = 150.0,
    science_fwhm_px: float = 3.2,
    reference_fwhm_px: float = 2.7,
    science_ellipticity: tuple[float, float] = (0.0, 0.0),
    reference_ellipticity: tuple[float, float] = (0.0, 0.0),
    psf_variation: float = 0.0,
    science_sky_e: float = 400.0,
    reference_sky_e: float = 400.0,
    reference_exposures: int = 6,
    read_noise_e: float = 6.0,
    flux_ratio: float = 1.0,
    shift_px: tuple[float, float] = (0.0, 0.0),
    jitter_px: float = 0.0,
    n_transients: int = 25,
    snr_range: tuple[float, float] = (5.0, 50.0),
    negative_fraction: float = 0.0,
    saturation_e: float = 90_000.0,
) -> SimulatedPair:
    """Make two frames of one piece of sky and change some of it in between.

    Parameters
    ----------
    seed
        Decides everything that is drawn.
    shape : (ny, nx), pixels
        Shape of both frames.
    stars_per_mpx
        Constant stars per million pixels, brighter than `faintest_flux_e`.
    faintest_flux_e : electrons of the science frame
        Flux of the faintest constant star.
    science_fwhm_px, reference_fwhm_px : pixels
        FWHM of each PSF in the middle of the frame.
    science_ellipticity, reference_ellipticity : (e1, e2)
        Reduced shear of each PSF in the middle of the frame.
    psf_variation
        Relative growth of the FWHM from the middle to the edge; the ellipticity
        changes by half as much, and both frames vary differently.
    science_sky_e, reference_sky_e : electrons per pixel of one exposure
        Level of the sky.
    reference_exposures
        The reference is the mean of so many exposures with `reference_sky_e` each.
    read_noise_e : electrons of one exposure
        Read noise of both frames.
    flux_ratio
        Electrons of the science frame per electron of the reference.
    shift_px : (dx, dy), pixels
        A star at (x, y) on the reference lies at (x + dx, y + dy) on the science
        frame; the WCS of both know it. Zero: registered.
    jitter_px : pixels
        Scatter per axis of every star's position between the frames.
    n_transients
        Number of changes.
    snr_range
        Transients are spread evenly in the logarithm of their theoretical S/N, at
        least `MIN_SEPARATION_PX` apart and off stars bright enough to add noise.
    negative_fraction
        Fraction of them that are in the reference and gone from the science frame.
    saturation_e : electrons
        Level, sky included, at which both frames saturate.

    Returns
    -------
    pair
        Both frames, background-subtracted, with PSFs, WCS and truth.

    Raises
    ------
    ValueError
        If the frame has no room for so many transients.
    """
    rng = np.random.default_rng([seed, 0x70616972])
    science = PairSide(
        frame_id="science",
        observed_mjd=SCIENCE_MJD,
        field=psf_field(shape, science_fwhm_px, science_ellipticity, psf_variation, turn=0.0),
        wcs=tangent_wcs(shape, shift_px),
        sky_e=science_sky_e,
        read_noise_e=read_noise_e,
        exposures=1,
        scale=1.0,
        saturation_e=saturation_e,
    )
    reference = PairSide(
        frame_id="reference",
        observed_mjd=REFERENCE_MJD,
        field=psf_field(shape, reference_fwhm_px, reference_ellipticity, psf_variation, turn=2.0),
        wcs=tangent_wcs(shape, (0.0, 0.0)),
        sky_e=reference_sky_e,
        read_noise_e=read_noise_e,
        exposures=reference_exposures,
        scale=1 / flux_ratio,
        saturation_e=saturation_e,
    )
    x, y, flux = _stars(rng, shape, stars_per_mpx, faintest_flux_e)
    jitter = rng.normal(0, 1, (2, x.size)) * jitter_px
    star_x, star_y = x + shift_px[0] + jitter[0], y + shift_px[1] + jitter[1]
    snr = _signed_snr(rng, n_transients, snr_range, negative_fraction)
    positions = _positions(rng, shape, shift_px, _keep_out(x, y, flux, science), n_transients)
    transients = tuple(
        _transient(position, shift_px, wanted, science, reference)
        for position, wanted in zip(positions, snr, strict=True)
    )

    science_light, reference_light = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    paint_stars(science_light, star_x, star_y, flux, science.field)
    paint_stars(reference_light, x, y, flux * reference.scale, reference.field)
    _paint_transients(science_light, reference_light, transients, science, reference)
    return SimulatedPair(
        science=science.expose(rng, science_light),
        reference=reference.expose(rng, reference_light),
        transients=transients,
        science_psf=science.field,
        reference_psf=reference.field,
        flux_ratio=flux_ratio,
        stars_x=star_x,
        stars_y=star_y,
        stars_flux_e=flux,
    )


def _stars(
    rng: np.random.Generator,
    shape: tuple[int, int],
    per_mpx: float,
    faintest_e: float,
) -> tuple[Array, Array, Array]:
    ny, nx = shape[0] + 2 * MARGIN_PX, shape[1] + 2 * MARGIN_PX
    n = rng.poisson(per_mpx * ny * nx / 1e6)
    x, y = rng.uniform(0, nx, n) - MARGIN_PX, rng.uniform(0, ny, n) - MARGIN_PX
    # N(>F) falls as F ** -(2.5 slope), cut at the brightest.
    exponent = 2.5 * COUNTS_SLOPE
    lowest = (BRIGHTEST_FLUX_E / faintest_e) ** -exponent
    flux = faintest_e * rng.uniform(lowest, 1, n) ** (-1 / exponent)
    return x, y, flux


def _signed_snr(
    rng: np.random.Generator,
    count: int,
    snr_range: tuple[float, float],
    negative_fraction: float,
) -> Array:
    """Spread S/N evenly in its logarithm, negative for a random fraction."""
    snr = np.geomspace(*snr_range, count) if count else np.zeros(0)
    return np.where(rng.uniform(size=count) < negative_fraction, -snr, snr)


def _paint_transients(
    science_light: Image,
    reference_light: Image,
    transients: tuple[InjectedTransient, ...],
    science: PairSide,
    reference: PairSide,
) -> None:
    """Add rising transients to the science image and fading ones to the reference."""
    rise = np.array([(t.x, t.y, t.flux_e) for t in transients if t.flux_e > 0])
    fall = np.array([(t.reference_x, t.reference_y, -t.flux_e) for t in transients if t.flux_e < 0])
    if rise.size:
        x, y, risen = rise.T
        paint_stars(science_light, x, y, risen, science.field, whole=True)
    if fall.size:
        x, y, faded = fall.T
        paint_stars(reference_light, x, y, faded * reference.scale, reference.field, whole=True)


def _keep_out(x: Array, y: Array, flux_e: Array, science: PairSide) -> Array:
    """Return (n, 3): stars no transient may come near, x, y and the distance."""
    # A generous guess of the peak: saturated stars get a wide berth.
    is_bright = flux_e * 0.7 / science.field.fwhm_px**2 > 0.5 * science.saturation_e
    adds_noise = flux_e > NOISY_FLUX_E
    distance = np.where(is_bright, 3 * MIN_SEPARATION_PX, 3 * science.field.fwhm_px)
    return np.stack([x, y, distance], axis=1)[is_bright | adds_noise]


def _positions(
    rng: np.random.Generator,
    shape: tuple[int, int],
    shift_px: tuple[float, float],
    keep_out: Array,
    count: int,
) -> list[tuple[float, float]]:
    """Draw positions on the reference frame, apart from each other and bright stars."""
    ny, nx = shape
    border = BORDER_PX + max(abs(shift_px[0]), abs(shift_px[1]))
    taken = keep_out
    positions: list[tuple[float, float]] = []
    for _ in range(1000 * count):
        if len(positions) == count:
            break
        x, y = rng.uniform(border, nx - border), rng.uniform(border, ny - border)
        if np.all(np.hypot(taken[:, 0] - x, taken[:, 1] - y) > taken[:, 2]):
            positions.append((x, y))
            taken = np.vstack([taken, (x, y, MIN_SEPARATION_PX)])
    if len(positions) < count:
        raise ValueError(
            f"room for {len(positions)} transients at least {MIN_SEPARATION_PX} px apart "
            f"on {nx} x {ny} pixels, {count} wanted"
        )
    return positions


def _transient(
    position: tuple[float, float],
    shift_px: tuple[float, float],
    snr: float,
    science: PairSide,
    reference: PairSide,
) -> InjectedTransient:
    """Give a position the flux that has the wanted theoretical S/N there."""
    reference_x, reference_y = position
    x, y = reference_x + shift_px[0], reference_y + shift_px[1]
    psfs = science.field.at(x, y), reference.field.at(reference_x, reference_y)
    noise = science.sigma_e, reference.sigma_e
    flux = snr * 10.0 * science.sigma_e
    # Fixed point: the S/N is almost proportional to the flux.
    for _ in range(12):
        flux *= snr / difference_snr(flux, *psfs, *noise, reference_scale=reference.scale)
    ra, dec = science.wcs.all_pix2world(x, y, 0)
    return InjectedTransient(
        x=x,
        y=y,
        reference_x=reference_x,
        reference_y=reference_y,
        ra_deg=float(ra),
        dec_deg=float(dec),
        flux_e=float(flux),
        snr=difference_snr(flux, *psfs, *noise, reference_scale=reference.scale),
    )
