"""The sky: its level and its noise over the frame, measured on a mesh.

Sources are found in a first pass and masked in the second, so that neither crowding
nor galaxies raise the sky. The noise is measured, never computed from the gain: it
is also right for frames whose sky was subtracted by their survey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sep
from numpy.typing import NDArray
from scipy import ndimage

from astrid_assets.science.arrays.components import grow, label
from astrid_assets.science.arrays.threads import in_bands
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.science.sky import background_kernels as kernels

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image

MESHES_PER_SIDE = 8
"""Default meshes along the shorter side: sky gradients are smoother than that."""

MIN_MESH_PX, MAX_MESH_PX = 24, 256
MIN_MESHES_PER_SIDE = 4
"""Fewer meshes than this cannot follow a gradient."""

MEDIAN_MESHES = 3
"""A mesh takes the median over this many meshes a side: a star in it does no harm, but
the peak of a nebula is lost."""

MIN_GOOD_PIXELS = 500
"""With fewer usable pixels the sky is not measured."""

SOURCE_SIGMA = 4.0
"""Smoothed S/N above which a pixel belongs to a source in the second pass."""

SMOOTHING = np.array([0.03, 0.23, 0.48, 0.23, 0.03])
"""Weights over pixels of twice the size: a Gaussian of 1.6 pixels."""

LOWEST_SNR, HIGHEST_SNR = -5.0, 50.0
BLOCK_PX = 16
"""Large sources are searched for in blocks of this side."""

BRIGHT_SNR = 10.0
"""In units of the noise of four pixels; the part of a nebula that the mesh does not
follow is fainter."""

SKIRT = 0.5
"""Galaxies are masked further out than they are detected, by this share of their size."""

MAX_HIDDEN_FRACTION = 0.9
"""Above it nearly every pixel has a star; only the clipped first pass is used."""

MIN_OPEN_MESHES = 0.5
"""SEP leaves out meshes that are more than half hidden, and returns 0 if none is left. With
a smaller share of open meshes than this, the bad pixels of each are filled first."""

MIN_OPEN_SHARE = 0.05
"""Meshes with a smaller share of good pixels are left out all the same."""

CROWDED_SOURCE_FRACTION = 0.3
CONFUSION_RATIO = 0.85
"""Pixel-to-pixel noise below this share of the scatter: the rest is unresolved
stars, which is signal and not noise."""

SMALLEST_NOISE = 1e-6
"""Relative to the sky: below it, scatter is rounding of float32."""

SAMPLE = 250_000
"""Values from which a scatter is measured: good to 0.15 per cent."""

CLIP_SIGMA = 3.0
CLIPPED_STD = 0.98658
"""Standard deviation of a unit normal truncated at three sigma."""

Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Background:
    """Sky of one frame.

    Attributes
    ----------
    level, rms : (ny, nx), electrons
        Smooth maps; `rms` is positive everywhere.
    level_e, rms_e : electrons
        Typical values of the whole frame.
    gradient_e : electrons
        Variation of the level over the frame: its 98th minus its 2nd percentile, so that
        neither a noisy mesh nor an extrapolated corner decides. For a plane it is 0.96 of
        the difference between opposite edges, or 0.8 of that between opposite corners.
    mesh_px : pixels
        Side of the mesh that was used.
    source_fraction
        Fraction of the frame that was masked as sources.
    """

    level: Image
    rms: Image
    level_e: float
    rms_e: float
    gradient_e: float
    mesh_px: int
    source_fraction: float


def measure_background(data: Image, bad: Bool, mesh_px: int | None = None) -> Background:
    """Measure sky level and noise with sources and bad pixels masked.

    Parameters
    ----------
    data : (ny, nx), electrons
        Sky included; NaN is left out.
    bad : (ny, nx)
        True where a pixel must not count.
    mesh_px : pixels
        Side of the mesh; None chooses it from the frame.

    Returns
    -------
    sky
        Maps of level and noise, and their typical values.

    Raises
    ------
    FrameRejected
        `missing_data` when almost no pixel is usable; `constant` when the sky
        has no noise at all.

    References
    ----------
    Bertin & Arnouts 1996, A&AS 117, 393, for the mesh (as implemented in SEP).
    """
    # SEP needs native byte order and contiguous memory.
    data = np.ascontiguousarray(data, dtype=np.float32)
    missing = np.empty(data.shape, dtype=np.bool_)
    in_bands(lambda a, b: kernels.unusable(data, bad, missing, a, b), len(data))
    good = int(missing.size - np.count_nonzero(missing))
    if good < MIN_GOOD_PIXELS:
        raise FrameRejected(
            ReasonCode.MISSING_DATA,
            f"{good} usable pixels, {MIN_GOOD_PIXELS} needed to measure the sky",
            good_pixels=good,
        )
    mesh = mesh_px or default_mesh(data.shape)
    sources, snr = _sources(data, missing, mesh)
    fraction = float(np.mean(sources))
    hidden, is_nebulous = missing, False
    if fraction < CROWDED_SOURCE_FRACTION:
        sources, widest, is_nebulous = _with_skirts(sources, snr)
        if mesh_px is None:
            mesh = _wide_enough(mesh, widest, data.shape)
    joined = np.empty_like(missing)
    in_bands(lambda a, b: kernels.join_doubled(missing, sources, joined, a, b), len(data))
    # Then some mesh has more than the smallest share of open pixels.
    if np.mean(joined) < MAX_HIDDEN_FRACTION:
        hidden = joined
    level, rms = _mesh(data, hidden, mesh, 1 if is_nebulous else MEDIAN_MESHES)
    part = _every(data.size)
    seen = ~hidden.ravel()[part]
    levels = level.ravel()[part][seen]
    level_e = float(np.median(levels))
    sigma = robust_sigma(data.ravel()[part][seen] - levels)
    if fraction > CROWDED_SOURCE_FRACTION:
        fine, fine_rms = _pixel_noise(data - level, rms, hidden, mesh)
        if fine < CONFUSION_RATIO * sigma:
            sigma, rms = fine, fine_rms
    if not sigma > SMALLEST_NOISE * max(abs(level_e), 1.0):
        raise FrameRejected(
            ReasonCode.CONSTANT, "the sky has no noise: the image is constant or quantised away"
        )
    low, high = np.percentile(level.ravel()[part], [2, 98])
    _scale(rms, sigma, float(np.median(rms.ravel()[part][seen])))
    return Background(
        level,
        rms,
        level_e,
        sigma,
        gradient_e=float(high - low),
        mesh_px=mesh,
        source_fraction=fraction,
    )


def default_mesh(shape: tuple[int, ...]) -> int:
    """Choose the side of the mesh from the shape of the frame.

    Parameters
    ----------
    shape : (ny, nx)
        Shape of the frame.

    Returns
    -------
    mesh_px : pixels
        An eighth of the shorter side, within 24 to 256.
    """
    return int(np.clip(min(shape) // MESHES_PER_SIDE, MIN_MESH_PX, MAX_MESH_PX))


def robust_sigma(values: NDArray[np.floating]) -> float:
    """Return the scatter of the core of a distribution; exact for whole-number data too.

    Percentiles of data in whole counts jump by a count; a clipped standard deviation,
    corrected for the clipping, does not. Only an evenly spaced sample of very many values
    is used.

    Parameters
    ----------
    values : any shape
        In any unit, without NaN.

    Returns
    -------
    sigma
        In the unit of the values; 0 without any.
    """
    values = np.ravel(values)
    values = np.asarray(values[_every(values.size)], dtype=np.float64)
    if not values.size:
        return 0.0
    centre = float(np.median(values))
    low, high = np.percentile(values, [15.87, 84.13])
    sigma = max((high - low) / 2, 1e-12)
    for _ in range(5):
        kept = values[np.abs(values - centre) < CLIP_SIGMA * sigma]
        if kept.size < 2:
            break
        centre = float(kept.mean())
        sigma = float(kept.std()) / CLIPPED_STD
        if sigma == 0:
            return float(values.std())
    return sigma


def _every(size: int) -> slice:
    """Choose about `SAMPLE` values, with an odd step that varies the columns."""
    return slice(None, None, (size // SAMPLE) | 1)


def _mesh(data: Image, bad: Bool, mesh: int, median: int = MEDIAN_MESHES) -> tuple[Image, Image]:
    """Measure level and rms maps with SEP.

    A large galaxy hides its own meshes, where the sky is known from the others. A crowded
    field hides more than half of every mesh: the pixels left between its stars are then
    the only sky there is, and represent the whole mesh.
    """
    # Fewer bad pixels than that cannot close so many meshes.
    if np.mean(bad) > (1 - MIN_OPEN_MESHES) / 2:
        n_meshes = -(-data.shape[0] // mesh) * -(-data.shape[1] // mesh)
        if kernels.count_open(bad, mesh) < MIN_OPEN_MESHES * n_meshes:
            filled, still_bad = np.empty_like(data), np.empty_like(bad)
            kernels.fill_meshes(data, bad, mesh, MIN_OPEN_SHARE, filled, still_bad)
            data, bad = filled, still_bad
            if not kernels.count_open(bad, mesh):
                raise FrameRejected(
                    ReasonCode.MISSING_DATA,
                    f"no mesh of {mesh} x {mesh} pixels has a share of "
                    f"{MIN_OPEN_SHARE} that is usable",
                    mesh_px=mesh,
                )
    sky = sep.Background(data, mask=bad, bw=mesh, bh=mesh, fw=median, fh=median)
    return sky.back(dtype=np.float32), sky.rms(dtype=np.float32)


def _sources(data: Image, bad: Bool, mesh: int) -> tuple[Bool, Image]:
    """Mark sources, on pixels of twice the size, by their smoothed S/N; return both."""
    half = [-(-side // 2) for side in data.shape]
    small = np.empty(half, dtype=np.float32)
    small_bad = np.empty(half, dtype=np.bool_)
    in_bands(lambda a, b: kernels.halve_image(data, bad, small, small_bad, a, b), half[0])
    level, rms = _mesh(small, small_bad, max(mesh // 2, 1))
    snr = np.empty_like(small)
    in_bands(
        lambda a, b: kernels.significance(
            small, level, rms, small_bad, LOWEST_SNR, HIGHEST_SNR, 1e-6, snr, a, b
        ),
        half[0],
    )
    smooth = ndimage.correlate1d(snr, SMOOTHING, axis=0, mode="constant")
    ndimage.correlate1d(smooth, SMOOTHING, axis=1, mode="constant", output=snr)
    # White noise is smoothed by the root of the sum of squares along each axis.
    limit = SOURCE_SIGMA * float((SMOOTHING**2).sum())
    return grow(np.asarray(snr > limit, dtype=np.bool_)), snr


def _with_skirts(sources: Bool, snr: Image) -> tuple[Bool, float, bool]:
    """Widen the mask of large bright sources by their faint outskirts.

    Also returns the diameter of the widest one in pixels, 0 when none is large, and
    whether there is a nebula: the residual of a nebula that the mesh did not quite follow
    is wide, but hardly above the sky. It belongs to the sky.
    """
    side = BLOCK_PX // 2
    ny, nx = (n // side for n in sources.shape)
    inner = np.s_[: ny * side, : nx * side]
    share = sources[inner].reshape(ny, side, nx, side).mean(axis=(1, 3))
    height = snr[inner].reshape(ny, side, nx, side).mean(axis=(1, 3))
    full = np.zeros((ny, nx), dtype=np.bool_)
    # Trails and bleeding are thinner than three blocks.
    ndimage.binary_opening(share > 0.5, np.ones((3, 3)), output=full)
    labels, n = label(full)
    wide, diffuse, widest = np.zeros_like(full), np.zeros_like(full), 0.0
    for number in range(1, n + 1):
        patch = labels == number
        if height[patch].max() < BRIGHT_SNR:
            diffuse |= patch
            continue
        area = np.count_nonzero(patch)
        wide |= ndimage.distance_transform_edt(~patch) <= SKIRT * np.sqrt(area)
        widest = max(widest, float(2 * np.sqrt(area / np.pi) * BLOCK_PX))
    masked = sources.copy()
    masked[inner] |= _blown_up(wide, side)
    masked[inner] &= ~(_blown_up(diffuse, side) & (snr[inner] < BRIGHT_SNR))
    return masked, widest, bool(diffuse.any())


def _blown_up(blocks: Bool, side: int) -> Bool:
    return blocks.repeat(side, axis=0).repeat(side, axis=1)


def _wide_enough(mesh: int, widest_px: float, shape: tuple[int, ...]) -> int:
    """Choose a mesh that shows sky around the widest source."""
    largest = max(min(shape) // MIN_MESHES_PER_SIDE, mesh)
    return int(np.clip((1 + 2 * SKIRT) * widest_px, mesh, largest))


def _pixel_noise(residual: Image, rms: Image, bad: Bool, mesh: int) -> tuple[float, Image]:
    """Measure the noise from pixel to pixel, which unresolved stars do not raise.

    A second difference along both axes removes all that is smooth on the scale of
    the PSF; only pixels near the sky level count.

    References
    ----------
    Immerkaer 1996, Computer Vision and Image Understanding 64, 300.
    """
    step = np.array([1.0, -2.0, 1.0]) / np.sqrt(6)
    fine = ndimage.convolve1d(residual, step, axis=0)
    fine = ndimage.convolve1d(fine, step, axis=1).astype(np.float32)
    near_bad = grow(bad & ~_bright(residual, rms))
    high = near_bad | (np.abs(residual) > 2 * rms)
    if np.mean(high) > MAX_HIDDEN_FRACTION:
        return float("inf"), rms
    _, fine_rms = _mesh(np.where(high, 0, fine).astype(np.float32), high, mesh)
    return robust_sigma(fine[~high]), fine_rms


def _bright(residual: Image, rms: Image) -> Bool:
    """Mark pixels well above the sky."""
    return residual > 2 * rms


def _scale(rms: Image, sigma: float, middle: float) -> None:
    """Scale the map of the noise, in place: its middle is the robust scatter."""
    if not middle > 0:
        rms[:] = sigma
        return
    rms *= np.float32(sigma / middle)
    np.maximum(rms, np.float32(0.2 * sigma), out=rms)
