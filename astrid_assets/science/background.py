"""The sky: its level and its noise over the frame, measured on a mesh.

Sources are found in a first pass and left out of the second, so that neither
crowding nor galaxies raise the sky. The noise is measured, never computed from
the gain: frames whose sky was subtracted by their survey have the right noise too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sep
from numpy.typing import NDArray
from scipy import ndimage

from astrid_assets.science.components import grow
from astrid_assets.science.errors import FrameRejected

if TYPE_CHECKING:
    from astrid_assets.science.frame import Image

MESHES_PER_SIDE = 8
"""Default meshes along the shorter side: sky gradients are smoother than that."""

MIN_MESH_PX, MAX_MESH_PX = 24, 128
MIN_GOOD_PIXELS = 500
"""Fewer usable pixels carry no sky worth the name."""

SOURCE_SIGMA = 2.0
"""Smoothed S/N above which a pixel belongs to a source in the second pass."""

SMOOTHING_PX = 1.5
GROW_PX = 2
MAX_SOURCE_FRACTION = 0.7
"""Above it the field is a sheet of stars and the clipped first pass is better."""

CROWDED_SOURCE_FRACTION = 0.3
CONFUSION_RATIO = 0.85
"""Pixel-to-pixel noise below this share of the scatter: the rest is unresolved
stars, which is signal and not noise."""

SMALLEST_NOISE = 1e-6
"""Relative to the sky: rounding of float32, not noise."""

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
    """

    level: Image
    rms: Image
    level_e: float
    rms_e: float


def measure_background(
    data: Image, bad: Bool, mesh_px: int | None = None
) -> Background:
    """Measure sky level and noise, sources and bad pixels left out.

    Parameters
    ----------
    data : (ny, nx), electrons
    bad : (ny, nx)
        True where a pixel must not count.
    mesh_px : pixels
        Side of the mesh; None chooses it from the frame.

    Raises
    ------
    FrameRejected
        `missing_data` when almost no pixel is usable; `constant` when the sky
        has no noise at all.
    """
    bad = bad | ~np.isfinite(data)
    good = int(bad.size - np.count_nonzero(bad))
    if good < MIN_GOOD_PIXELS:
        raise FrameRejected(
            "missing_data",
            f"{good} usable pixels, {MIN_GOOD_PIXELS} needed to measure the sky",
            good_pixels=good,
        )
    # SEP needs native byte order and contiguous memory.
    filled = np.ascontiguousarray(np.where(bad, 0, data), dtype=np.float32)
    mesh = mesh_px or default_mesh(data.shape)
    level, rms = _mesh(filled, bad, mesh)
    sources = _sources(filled, level, rms, bad)
    if np.mean(sources | bad) < MAX_SOURCE_FRACTION:
        bad = bad | sources
        level, rms = _mesh(filled, bad, mesh)
    level_e = float(np.median(level[~bad]))
    residual = filled - level
    sigma = robust_sigma(residual[~bad])
    if np.mean(sources) > CROWDED_SOURCE_FRACTION:
        fine, fine_rms = _pixel_noise(residual, rms, bad, mesh)
        if fine < CONFUSION_RATIO * sigma:
            sigma, rms = fine, fine_rms
    if not sigma > SMALLEST_NOISE * max(abs(level_e), 1.0):
        raise FrameRejected(
            "constant", "the sky has no noise: the image is constant or quantised away"
        )
    return Background(level, _scaled(rms, sigma, bad), level_e, sigma)


def default_mesh(shape: tuple[int, ...]) -> int:
    """Choose the side of the mesh from the shape of the frame, in pixels."""
    return int(np.clip(min(shape) // MESHES_PER_SIDE, MIN_MESH_PX, MAX_MESH_PX))


def robust_sigma(values: NDArray[np.floating]) -> float:
    """Return the scatter of the normal core; exact for whole-number data too.

    Percentiles of data in whole counts jump by a count; a clipped standard
    deviation, corrected for the clipping, does not.
    """
    values = np.asarray(values, dtype=np.float64)
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


def _mesh(data: Image, bad: Bool, mesh: int) -> tuple[Image, Image]:
    """Measure level and rms maps with SEP."""
    sky = sep.Background(data, mask=bad, bw=mesh, bh=mesh, fw=3, fh=3)
    return sky.back(dtype=np.float32), sky.rms(dtype=np.float32)


def _sources(data: Image, level: Image, rms: Image, bad: Bool) -> Bool:
    """Mark pixels of sources: smoothed S/N above the limit, grown a little."""
    snr = np.where(bad, 0, (data - level) / np.maximum(rms, 1e-6))
    smooth = ndimage.gaussian_filter(np.clip(snr, -5, 50), SMOOTHING_PX)
    # Smoothing white noise with a Gaussian divides it by 2 sqrt(pi) sigma.
    smooth *= 2 * np.sqrt(np.pi) * SMOOTHING_PX
    found = smooth > SOURCE_SIGMA * 2
    return grow(found, GROW_PX)


def _pixel_noise(
    residual: Image, rms: Image, bad: Bool, mesh: int
) -> tuple[float, Image]:
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
    if np.count_nonzero(~high) < MIN_GOOD_PIXELS:
        return float("inf"), rms
    _, fine_rms = _mesh(np.where(high, 0, fine).astype(np.float32), high, mesh)
    return robust_sigma(fine[~high]), fine_rms


def _bright(residual: Image, rms: Image) -> Bool:
    """Mark pixels well above the sky."""
    return residual > 2 * rms


def _scaled(rms: Image, sigma: float, bad: Bool) -> Image:
    """Scale the map of the noise so that its middle is the robust scatter."""
    middle = float(np.median(rms[~bad]))
    if not middle > 0:
        return np.full(rms.shape, sigma, dtype=np.float32)
    return np.maximum(rms * (sigma / middle), 0.2 * sigma).astype(np.float32)
