"""The fit of a PSF: one least-squares fit of splines to all pixels of all stars.

The unknowns are the nodes of cubic B-splines (times a polynomial of the position in
the frame); the data are the pixels around the stars with their own noise, so masked
pixels simply have no weight, and no star is ever interpolated. Where the data constrain
a node little, in the wings and between the pixels of few stars, it follows an
elliptical profile that is measured from the same stars. Fluxes, positions and
neighbours are fitted in turn with the PSF.

References
----------
Anderson & King 2000, PASP 112, 1360: the effective PSF on a grid finer than pixels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from astrid_assets.science.arrays.components import label
from astrid_assets.science.errors import TooFewStars
from astrid_assets.science.frame import PsfModel, polynomials
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.psf.profile import moffat
from astrid_assets.science.psf.solver import StarPixels, normalised, prior, solve_nodes
from astrid_assets.science.psf.star_selection import (
    MIN_PSF_STARS,
    choose_psf_stars,
    number_of_terms,
    shapes_of,
)
from astrid_assets.science.stars.measurement import select, typical_shape
from astrid_assets.science.stars.point_sources import SWEEPS, PointSources, fit_point_sources
from astrid_assets.science.stars.shapes import cut_stamps, measure_star_shapes

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.frame import Frame
    from astrid_assets.science.stars.star_list import Stars

RADIUS_FWHM = 4.0
"""A Moffat profile of beta 3 has 3e-4 of its peak there, and 0.5 % of its light beyond."""

MIN_RADIUS, MAX_RADIUS = 8, 31
NODES_PER_PIXEL = ((4.2, 2), (np.inf, 1))
"""Largest FWHM (of moments, along the short axis, pixels) per number of nodes: with one
node, a Moffat PSF of 3 pixels is described no better than to 1 % of its peak; with two,
even one of 1.3 pixels is."""

ROUNDS = ((1.0, 12), (0.3, 12), (0.3, 24))
"""Per round, how far a node may stray from the profile, as a share of it, and steps
of the solver: at first the profile is a guess and the positions are rough."""

SMOOTHING_FWHM = 0.2
"""Deviations from the profile are smooth on this scale: half that of the PSF itself."""

CLIP_SIGMA = 5.0
MODEL_ERROR = 0.01
"""Relative error assumed for the model: one bright star must not dominate the fit."""

SKY_FREEDOM = 0.02
"""Expected residual of the sky under a star, in units of the noise of a pixel."""

STRANGE, STRANGE_FLOOR = 3.0, 0.03
"""A core that differs from the model by more than so many times what is typical, and
by this share of its light, is a galaxy or a blend."""

NOISE_SIGMA = 4.0

Array = NDArray[np.float64]
Bool = NDArray[np.bool_]


def fit_psf(frame: Frame, stars: Stars) -> PsfModel:
    """Measure the PSF from a frame's isolated, unsaturated stars.

    Constant over the frame, or a polynomial in position of the order that best predicts
    the shapes of left-out stars.

    Parameters
    ----------
    frame
        Sky-subtracted, with a variance.
    stars
        Stars of this frame, with their flags (`stars.measurement.measure_stars`).

    Returns
    -------
    psf
        Unit sum everywhere on the frame.

    Raises
    ------
    TooFewStars
        If fewer than `star_selection.MIN_PSF_STARS` usable stars are there.
    ValueError
        If the frame has no variance.

    References
    ----------
    Anderson & King 2000, PASP 112, 1360.
    """
    _variance(frame)
    chosen = choose_psf_stars(stars)
    fwhm, elongation = typical_shape(chosen)
    narrow = fwhm / np.sqrt(elongation)
    step = next(nodes for limit, nodes in NODES_PER_PIXEL if narrow < limit)
    radius = int(np.clip(np.ceil(RADIUS_FWHM * fwhm), MIN_RADIUS, MAX_RADIUS))
    shapes = shapes_of(frame, chosen, fwhm)
    errors = chosen.flux_err / chosen.flux
    count, keep = number_of_terms(shapes, errors, frame.shape, chosen.x, chosen.y)
    if np.count_nonzero(keep) < MIN_PSF_STARS:
        raise TooFewStars("PSF", int(np.count_nonzero(keep)), MIN_PSF_STARS)
    profile = moffat(np.median(shapes[keep], axis=0), step * radius, step)
    nodes = profile.stamp[None]
    z = np.zeros_like(nodes)
    psf = _model(nodes, frame.shape, fwhm, len(chosen), step)
    around, index = _with_neighbours(stars, chosen, 1.5 * radius)
    usable = ((frame.mask & UNUSABLE) == 0) & np.isfinite(frame.data)
    for turn, (freedom, steps) in enumerate(ROUNDS):
        found = fit_point_sources(
            frame,
            psf,
            around.x,
            around.y,
            usable=usable,
            position_steps=2 if turn else 0,
            sweeps=SWEEPS if turn else 1,
        )
        keep &= np.isfinite(found.flux[index]) & (found.flux[index] > 0)
        if np.count_nonzero(keep) < MIN_PSF_STARS:
            raise TooFewStars("PSF", int(np.count_nonzero(keep)), MIN_PSF_STARS)
        sample, strange = _sample(frame, psf, found, index, usable)
        # Fitted positions are those of the model's middle, wherever that has drifted.
        off = _off_centre(psf, found.x[index], found.y[index])
        sample = replace(sample, shift=sample.shift + off)
        keep = _alike(strange, keep) if turn else keep
        if turn:
            # A varying PSF is fitted once a constant one is known.
            z, nodes = _with_terms(z, count), _with_terms(nodes, count)
            terms = polynomials(found.x[index], found.y[index], frame.shape, count)
            sample = replace(sample, terms=terms)
        sample = sample.only(keep)
        if turn:
            weights = sample.information(nodes.shape[1])[0]
            profile = profile.measured(nodes[0], weights)
        expected = prior(profile.stamp, len(z), freedom, SMOOTHING_FWHM * narrow * step)
        nodes, z = solve_nodes(z, sample, expected, steps)
        nodes = normalised(nodes, step)
        psf = _model(nodes, frame.shape, fwhm, int(np.count_nonzero(keep)), step)
    return replace(psf, fwhm_px=psf_fwhm(psf))


def _variance(frame: Frame) -> Image:
    if frame.variance is None:
        raise ValueError("the PSF is measured on frames with a variance")
    return frame.variance


def _with_terms(stamps_of_terms: Array, count: int) -> Array:
    """Append terms of zero."""
    missing = count - len(stamps_of_terms)
    return np.pad(stamps_of_terms, ((0, missing), (0, 0), (0, 0)))


def psf_fwhm(psf: PsfModel) -> float:
    """Return the FWHM of a PSF in the middle of the frame.

    Parameters
    ----------
    psf
        PSF of a frame.

    Returns
    -------
    fwhm_px : pixels
        At half maximum: see `stamp_fwhm`.
    """
    ny, nx = psf.frame_shape
    here = replace(psf, oversampling=1).at((nx - 1) / 2, (ny - 1) / 2)
    return stamp_fwhm(here) / psf.oversampling


def stamp_fwhm(stamp: Image) -> float:
    """Return the FWHM of a centred PSF: diameter of the disk above half maximum.

    The stamp is interpolated eightfold, so that the value varies smoothly.

    Parameters
    ----------
    stamp : (m, m)
        Odd `m`, peak near the middle.

    Returns
    -------
    fwhm_px : pixels of the stamp
        Diameter of the circle of the same area.
    """
    middle = stamp.shape[0] // 2
    half = min(middle, 16)
    fine = np.linspace(middle - half, middle + half, 16 * half + 1)
    grid = np.meshgrid(fine, fine, indexing="ij")
    image = ndimage.map_coordinates(stamp.astype(np.float64), grid, order=3)
    labels, _ = label(image > image.max() / 2)
    core = labels == labels[np.unravel_index(np.argmax(image), image.shape)]
    step = fine[1] - fine[0]
    return float(2 * np.sqrt(np.count_nonzero(core) / np.pi) * step)


def _model(
    nodes: Array, shape: tuple[int, int], fwhm_px: float, n_stars: int, step: int
) -> PsfModel:
    """Convert spline nodes to the values of the spline."""
    line = np.array([1.0, 4.0, 1.0]) / 6
    values = ndimage.convolve1d(nodes, line, axis=1, mode="constant")
    values = ndimage.convolve1d(values, line, axis=2, mode="constant")
    return PsfModel(normalised(values, step).astype(np.float32), shape, fwhm_px, n_stars, step)


def _with_neighbours(
    stars: Stars, chosen: Stars, reach_px: float
) -> tuple[Stars, NDArray[np.intp]]:
    """Return the chosen stars with all near them, and the indices of the chosen ones."""
    positions = np.column_stack([stars.x, stars.y])
    of_chosen = np.column_stack([chosen.x, chosen.y])
    distance, _ = KDTree(of_chosen).query(positions, distance_upper_bound=reach_px)
    around = select(stars, np.isfinite(distance))
    _, index = KDTree(np.column_stack([around.x, around.y])).query(of_chosen)
    return around, np.asarray(index, dtype=np.intp)


def _sample(
    frame: Frame, psf: PsfModel, found: PointSources, index: NDArray[np.intp], usable: Bool
) -> tuple[StarPixels, Array]:
    """Cut the stars out of the frame without their neighbours.

    Also returns per star how much its core differs from the model beyond noise
    (a share of its light, squared) and the noise of that: (n, 2).
    """
    x, y, flux = found.x[index], found.y[index], found.flux[index]
    radius = psf.size // 2
    shift = np.column_stack([y - np.rint(y), x - np.rint(x)])
    good = cut_stamps(usable, x, y, radius).astype(bool)
    left = cut_stamps(found.residual, x, y, radius).astype(np.float64)
    variance = cut_stamps(_variance(frame), x, y, radius, fill=1.0).astype(np.float64)
    terms = psf.terms_at(x, y)
    blank = StarPixels(left, left, terms, shift, psf.oversampling)
    own = blank.laid(psf.spline_nodes()) * flux[:, None, None]
    # A stamp's darkest pixel has hardly any light of its own.
    sky = np.where(good, variance, np.inf).min(axis=(1, 2), keepdims=True)
    sky = np.where(np.isfinite(sky), sky, 1.0)
    light = np.where(good, cut_stamps(frame.data, x, y, radius), 0).astype(np.float64)
    noise = sky + _photons(variance - sky, light, good) * np.maximum(own, 0)
    span = np.arange(-radius, radius + 1)
    distance = np.hypot(span[:, None], span[None, :])
    core = distance <= max(1.2 * psf.fwhm_px, 1.5)
    noise_sigma = np.sqrt(noise + (MODEL_ERROR * own) ** 2)
    deviant = (np.abs(left) > CLIP_SIGMA * noise_sigma) & ~core
    good &= ~deviant & (distance < radius - 0.5)
    level = _sky_left(left, sky, good & (distance > 0.6 * radius))
    left = left - level[:, None, None]
    in_core = good & core
    power = np.sum(own**2 * in_core, axis=(1, 2)) + 1e-30
    excess = np.sum((left**2 - noise) * in_core, axis=(1, 2)) / power
    error = np.sqrt(2 * np.sum(noise**2 * in_core, axis=(1, 2))) / power
    scale = np.where(flux > 0, flux, np.nan)[:, None, None]
    sample = StarPixels(
        (left + own) / scale, good * scale**2 / noise_sigma**2, terms, shift, psf.oversampling
    )
    return sample, np.column_stack([excess, error])


def _photons(excess: Array, light: Array, good: Bool) -> Array:
    """Return the variance of light per unit of light, (n, 1, 1): less than 1 in a stack."""
    total = (np.maximum(light, 0) * good).sum(axis=(1, 2), keepdims=True)
    share = (excess * good).sum(axis=(1, 2), keepdims=True) / np.maximum(total, 1e-9)
    return np.clip(share, 0, 1)


def _sky_left(left: Array, sky: Array, outskirts: Bool) -> Array:
    """Return the residual sky under each star, constrained to zero by its prior."""
    weight = outskirts / sky
    middle = np.median(sky, axis=(1, 2))
    hold = 1 / (SKY_FREEDOM**2 * middle)
    return (weight * left).sum(axis=(1, 2)) / (weight.sum(axis=(1, 2)) + hold)


def _off_centre(psf: PsfModel, x: Array, y: Array) -> Array:
    """Return (dy, dx) of the PSF's centroid from its middle, at positions: (n, 2).

    Measured on the PSF itself, where pixels are fine enough for a centroid without
    bias; linear over the frame.
    """
    ny, nx = psf.frame_shape
    grid = np.array([0.1, 0.5, 0.9])
    columns = np.repeat(grid, 3) * (nx - 1)
    rows = np.tile(grid, 3) * (ny - 1)
    fine = replace(psf, oversampling=1)
    middle = np.array([float(fine.size // 2)])
    off = np.empty((len(rows), 2))
    for index, position in enumerate(zip(columns, rows, strict=True)):
        stamp = fine.at(*position)
        everywhere = np.ones(stamp.shape, dtype=bool)
        width = psf.fwhm_px * psf.oversampling
        shape = measure_star_shapes(stamp, everywhere, middle, middle, width)
        off[index] = shape.y[0] - middle[0], shape.x[0] - middle[0]
    count = min(3, len(psf.coefficients))
    terms = polynomials(columns, rows, psf.frame_shape, count)
    trend = np.linalg.lstsq(terms, off)[0]
    return polynomials(x, y, psf.frame_shape, count) @ trend / psf.oversampling


def _alike(strange: Array, keep: Bool) -> Bool:
    """Leave out the stars that do not look like the others."""
    excess, error = strange.T
    typical = float(np.median(np.maximum(excess[keep], 0)))
    limit = STRANGE**2 * typical + STRANGE_FLOOR**2 + NOISE_SIGMA * error
    alike = keep & (excess < limit)
    return alike if np.count_nonzero(alike) >= MIN_PSF_STARS else keep
