"""How a PSF is measured: residuals of many stars, moved back to one centre.

The model is laid on each star at its subpixel place; what remains is moved back
and added to the model, weighted pixel by pixel. So the interpolation's blur drops
out within a few rounds, and masked pixels and neighbours simply carry no weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from astrid_assets.science.components import label
from astrid_assets.science.errors import TooFewStars
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.psf import PsfModel, polynomial_terms
from astrid_assets.science.psf_photometry import shifted
from astrid_assets.science.shapes import stamps
from astrid_assets.science.stars import StarFlag, select, typical_shape

if TYPE_CHECKING:
    from astrid_assets.science.frame import Frame, Image, Stars

MIN_PSF_STARS = 3
MAX_PSF_STARS = 200
MIN_SNR = 20.0
"""A star below it adds a centroid error of a twentieth of the FWHM."""

ENOUGH_PSF_STARS = 8
LOW_SNR = 8.0
"""Accepted only when there are fewer than `ENOUGH_PSF_STARS` better ones."""

STARS_FOR_LINEAR, STARS_FOR_QUADRATIC = 20, 60
RADIUS_FWHM = 3.5
MIN_RADIUS, MAX_RADIUS = 8, 31
ROUNDS = 4
CLIP_SIGMA = 5.0
MODEL_ERROR = 0.02
"""Relative error granted to the model: one bright star must not rule the fit."""

WING_SNR = 3.0
"""Pixels of the stacked PSF below this S/N lean on their ring's mean."""

RIDGE = 0.02
"""Pull of the varying terms towards zero, as a share of the constant term's weight."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class _Sample:
    """Stamps of the PSF stars: (n, s, s) each, and their subpixel places (n, 2)."""

    light: Array
    variance: Array
    usable: NDArray[np.bool_]
    shift: Array
    terms: Array
    flux: Array


def fit(frame: Frame, stars: Stars) -> PsfModel:
    """Measure the PSF; see `psf.fit_psf`."""
    chosen = choose_psf_stars(stars)
    fwhm, _ = typical_shape(chosen)
    radius = int(np.clip(np.ceil(RADIUS_FWHM * fwhm), MIN_RADIUS, MAX_RADIUS))
    count = _term_count(len(chosen))
    sample = _sample(frame, chosen, radius, count)
    # A round Gaussian of the right width to start from.
    span = np.arange(-radius, radius + 1)
    line = np.exp(-0.5 * (span * 2.3548 / fwhm) ** 2)
    model = np.zeros((count, 2 * radius + 1, 2 * radius + 1))
    model[0] = np.outer(line, line) / line.sum() ** 2
    error = np.zeros_like(model[0])
    for _ in range(ROUNDS):
        step, error = _correction(model, sample)
        model = _normalised(model + step)
    model = _normalised(_calm(model, error, fwhm))
    psf = PsfModel(model.astype(np.float32), frame.shape, fwhm, len(chosen))
    width = stamp_fwhm(psf.centre)
    return PsfModel(psf.coefficients, frame.shape, width, len(chosen))


def choose_psf_stars(stars: Stars) -> Stars:
    """Take the best stars: unflagged and of high S/N, at most `MAX_PSF_STARS`.

    Raises
    ------
    TooFewStars
        If fewer than `MIN_PSF_STARS` are left.
    """
    snr = stars.flux / np.maximum(stars.flux_err, 1e-9)
    clean = stars.flag == 0
    # In crowded fields nearly every star has neighbours: take the lesser blends.
    nearly = (stars.flag & ~StarFlag.BLENDED) == 0
    tiers = (
        (clean & (snr > MIN_SNR), ENOUGH_PSF_STARS),
        (clean & (snr > LOW_SNR), MIN_PSF_STARS),
        (nearly & (snr > MIN_SNR), MIN_PSF_STARS),
        (nearly & (snr > LOW_SNR), MIN_PSF_STARS),
    )
    for which, needed in tiers:
        if np.count_nonzero(which) >= needed:
            chosen = select(stars, which)
            order = np.argsort(-chosen.flux, kind="stable")[:MAX_PSF_STARS]
            return select(chosen, order)
    raise TooFewStars(
        "PSF", int(np.count_nonzero(nearly & (snr > LOW_SNR))), MIN_PSF_STARS
    )


def stamp_fwhm(stamp: Image) -> float:
    """Return the FWHM of a centred PSF: diameter of the disk above half maximum.

    The stamp is interpolated eightfold, so the value moves smoothly.
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


def _term_count(n_stars: int) -> int:
    """How many polynomial terms that many stars carry."""
    if n_stars >= STARS_FOR_QUADRATIC:
        return 6
    return 3 if n_stars >= STARS_FOR_LINEAR else 1


def _sample(frame: Frame, stars: Stars, radius: int, count: int) -> _Sample:
    """Cut the stars out of the frame."""
    if frame.variance is None:
        raise ValueError("the PSF is measured on frames with a variance")
    x, y = stars.x, stars.y
    usable = stamps((frame.mask & UNUSABLE) == 0, x, y, radius).astype(bool)
    positions = zip(x, y, strict=True)
    return _Sample(
        light=stamps(frame.data, x, y, radius).astype(np.float64),
        variance=stamps(frame.variance, x, y, radius, fill=1.0).astype(np.float64),
        usable=usable,
        shift=np.column_stack([y - np.rint(y), x - np.rint(x)]),
        terms=np.array(
            [polynomial_terms(a, b, frame.shape, count) for a, b in positions],
            dtype=np.float64,
        ),
        flux=stars.flux.astype(np.float64),
    )


def _correction(model: Array, sample: _Sample) -> tuple[Array, Array]:
    """Return what the residuals add to each term, and the first term's error."""
    n, size, _ = sample.light.shape
    residual = np.empty_like(sample.light)
    weight = np.empty_like(sample.light)
    core = _disk(size, size / 2 / RADIUS_FWHM * 1.2)
    for i in range(n):
        here = np.tensordot(sample.terms[i], model, axes=1)
        laid = shifted(here.astype(np.float32), tuple(sample.shift[i]))
        flux, sky = _amplitude(laid, sample, i, core)
        spread = sample.variance[i] + (MODEL_ERROR * flux * laid) ** 2
        left = np.where(sample.usable[i], sample.light[i] - flux * laid - sky, 0)
        deviant = np.abs(left) > CLIP_SIGMA * np.sqrt(spread)
        kept = sample.usable[i] & ~(deviant & ~core)
        back = (-sample.shift[i][0], -sample.shift[i][1])
        scale = max(flux, 1e-6)
        remains = (np.where(kept, left, 0) / scale).astype(np.float32)
        residual[i] = shifted(remains, back)
        moved = ndimage.shift(kept.astype(np.float64), back, order=1)
        weight[i] = np.where(moved > 0.9, scale**2 / spread, 0)
    return _solve(residual, weight, sample.terms)


def _amplitude(
    laid: Image, sample: _Sample, index: int, core: NDArray[np.bool_]
) -> tuple[float, float]:
    """Fit the star's flux within the core and the sky left in its outskirts."""
    usable = sample.usable[index]
    outskirts = usable & ~_disk(len(laid), len(laid) / 2 * 0.75)
    light = sample.light[index]
    sky = float(np.median(light[outskirts])) if outskirts.sum() > 30 else 0.0
    # Only a sky that differs by more than its error is taken off.
    sigma = float(np.sqrt(np.median(sample.variance[index])))
    if abs(sky) < 3 * 1.25 * sigma / np.sqrt(max(outskirts.sum(), 1)):
        sky = 0.0
    inside = usable & core
    p = laid[inside].astype(np.float64)
    denominator = float((p * p).sum())
    if denominator <= 0:
        return float(sample.flux[index]), sky
    return float((p * (light[inside] - sky)).sum() / denominator), sky


def _solve(residual: Array, weight: Array, terms: Array) -> tuple[Array, Array]:
    """Fit the polynomial pixel by pixel, weighted; a little ridge on its slopes."""
    count = terms.shape[1]
    normal = np.einsum("nij,nk,nl->ijkl", weight, terms, terms, optimize=True)
    right = np.einsum("nij,nij,nk->ijk", weight, residual, terms, optimize=True)
    total = weight.sum(axis=0)
    pull = RIDGE * total[..., None] * np.r_[0.0, np.ones(count - 1)]
    tiny = 1e-9 * max(float(total.max()), 1e-30)
    normal += np.eye(count) * (pull + tiny)[..., None, :]
    step = np.linalg.solve(normal, right[..., None])[..., 0]
    error = 1 / np.sqrt(np.maximum(total, tiny))
    return np.moveaxis(step, -1, 0), error


def _calm(model: Array, error: Array, fwhm_px: float) -> Array:
    """Replace noise by the mean of its ring, and fade the varying terms' wings."""
    size = model.shape[-1]
    middle = size // 2
    span = np.arange(size) - middle
    radius = np.hypot(span[:, None], span[None, :])
    profile_radius = np.arange(middle + 1.0)
    rings = np.rint(radius).astype(int)
    weights = 1 / np.maximum(error, 1e-12) ** 2
    sums = np.bincount(rings.ravel(), (model[0] * weights).ravel())
    norms = np.bincount(rings.ravel(), weights.ravel())
    profile = (sums / np.maximum(norms, 1e-30))[: middle + 1]
    # The outermost ring is the zero level: flux beyond the stamp counts as sky.
    outer = np.interp(radius, profile_radius, profile)
    # Weighed by the ring's light, never by the pixel's own: no noise is preferred.
    snr = np.maximum(outer, 0) / np.maximum(error, 1e-12)
    own = snr**2 / (snr**2 + WING_SNR**2)
    edge = np.clip((middle + 0.5 - radius) / max(0.25 * middle, 1), 0, 1)
    calm = model.copy()
    calm[0] = (own * model[0] + (1 - own) * outer) * edge
    fade = np.clip((2.5 * fwhm_px - radius) / fwhm_px, 0, 1)
    for k in range(1, len(model)):
        calm[k] = model[k] * fade * own
    return calm


def _normalised(model: Array) -> Array:
    """Give the first term unit sum and the others zero sum."""
    out = model / model[0].sum()
    for k in range(1, len(out)):
        out[k] -= out[0] * out[k].sum()
    return out


def _disk(size: int, radius: float) -> NDArray[np.bool_]:
    """Mark the pixels within a radius of the stamp's middle."""
    span = np.arange(size) - size // 2
    return np.hypot(span[:, None], span[None, :]) <= radius
