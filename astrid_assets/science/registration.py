"""Registration: one image on the pixel grid of another, by their WCS.

A mapping says where each pixel of the new grid lies in the old image; `resample`
follows it with a cubic spline, conserving flux. What interpolation does to noise
and PSF is not ignored: `spline_response` gives it exactly. Residual offsets
measured on stars are in `differencing.common_stars`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import RectBivariateSpline
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from numpy.typing import NDArray

    from astrid_assets.science.frame import Image, Mask

GRID_STEP_PX = 32  # SIP terms of survey cameras bend by < 0.001 px within it
FILL_SIGMA_PX = 2.0  # masked pixels take the mean of good ones about this near
MIN_FILL_WEIGHT = 1e-4  # further from good pixels than this: the sky level, 0


@dataclass(frozen=True)
class PixelMapping:
    """Where the pixels of a grid lie in another image; `x`, `y` of the grid's shape.

    Positions may lie outside the image; there is nothing there.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int]:
        """``(ny, nx)`` of the grid."""
        ny, nx = self.x.shape
        return ny, nx

    def linear(self) -> NDArray[np.float64]:
        """Return the mean Jacobian, (2, 2): rows x and y of the image."""
        ny, nx = self.shape
        return np.array(
            [
                [_mean_slope(self.x, axis=1, n=nx), _mean_slope(self.x, axis=0, n=ny)],
                [_mean_slope(self.y, axis=1, n=nx), _mean_slope(self.y, axis=0, n=ny)],
            ]
        )

    def area_ratio(self) -> NDArray[np.float64]:
        """Return the image's pixels per grid pixel, of the grid's shape."""
        x_by_y, x_by_x = np.gradient(self.x)
        y_by_y, y_by_x = np.gradient(self.y)
        return np.abs(x_by_x * y_by_y - x_by_y * y_by_x)

    def shifted(self, dx: NDArray[np.float64], dy: NDArray[np.float64]) -> PixelMapping:
        """Return the mapping with every position moved by `dx`, `dy`."""
        return PixelMapping(self.x + dx, self.y + dy)


def pixel_mapping(wcs_from: WCS, wcs_to: WCS, shape: tuple[int, int]) -> PixelMapping:
    """Map the pixels of `wcs_from`'s grid to positions in `wcs_to`'s image.

    The WCS are evaluated on a coarse grid and interpolated by bicubic splines.

    Raises
    ------
    FrameRejected
        ``bad_wcs`` when the two do not see the same sky.
    """
    ny, nx = shape
    grid_x, grid_y = _knots(nx), _knots(ny)
    x, y = np.meshgrid(grid_x, grid_y)
    ra, dec = wcs_from.all_pix2world(x.ravel(), y.ravel(), 0)
    to_x, to_y = wcs_to.all_world2pix(ra, dec, 0, quiet=True)
    if not (np.isfinite(to_x).all() and np.isfinite(to_y).all()):
        raise FrameRejected(
            "bad_wcs", "the WCS of frame and reference do not see the same sky"
        )
    rows, columns = np.arange(ny, dtype=float), np.arange(nx, dtype=float)
    return PixelMapping(
        *(
            RectBivariateSpline(grid_y, grid_x, v.reshape(x.shape))(rows, columns)
            for v in (to_x, to_y)
        )
    )


def resample(
    image: Image,
    variance: Image,
    mask: Mask,
    mapping: PixelMapping,
    shape: tuple[int, int],
) -> tuple[Image, Image, Mask]:
    """Put an image on the grid of a mapping; flux is conserved.

    Unusable pixels are filled from their neighbours first, so nothing rings; their
    bits reach the four pixels nearest to them. Places outside the image are 0 with
    ``NO_DATA``. The variance is that of white noise with the same power on the
    scale of a PSF; the smoothed single pixels scatter less, see `pixel_power`.

    Parameters
    ----------
    image, variance, mask : (my, mx)
    mapping
        Of the new grid into the image.
    shape : (ny, nx)
        The new grid; that of the mapping.
    """
    if mapping.shape != tuple(shape):
        raise ValueError(f"mapping of shape {mapping.shape}, grid of shape {shape}")
    bad = (mask & UNUSABLE) != 0
    coefficients = spline_coefficients(fill_masked(image, bad))
    where = (mapping.y, mapping.x)
    area = mapping.area_ratio().astype(np.float32)
    values = map_coordinates(
        coefficients, where, order=3, prefilter=False, mode="nearest"
    )
    values = np.asarray(area * values, dtype=np.float32)
    variances = map_coordinates(variance, where, order=1, mode="nearest")
    variances = np.asarray(area * variances, dtype=np.float32)
    bits = _gather_bits(mask, mapping)
    values[(bits & MaskBit.NO_DATA) != 0] = 0
    return values, variances, bits


def spline_coefficients(image: Image) -> Image:
    """Return what `map_coordinates` of order 3 needs with ``prefilter=False``."""
    return np.asarray(spline_filter(image), dtype=np.float32)


def fill_masked(image: Image, bad: NDArray[np.bool_]) -> Image:
    """Replace masked pixels by the weighted mean of good ones near; 0 far from any."""
    if not bad.any():
        return image
    good = (~bad).astype(np.float32)
    weight = gaussian_filter(good, FILL_SIGMA_PX, truncate=3)
    mean = gaussian_filter(np.where(bad, 0, image), FILL_SIGMA_PX, truncate=3)
    filled = image.copy()
    filled[bad] = np.where(
        weight[bad] > MIN_FILL_WEIGHT, mean[bad] / np.maximum(weight[bad], 1e-9), 0
    )
    return filled


def spline_response(
    mapping: PixelMapping, frequencies: NDArray[np.float64]
) -> tuple[
    tuple[NDArray[np.float64], NDArray[np.float64]],
    tuple[NDArray[np.float64], NDArray[np.float64]],
]:
    """Give what the cubic spline does to signal and noise, by frequency and axis.

    Averaged over the sub-pixel phases that the mapping really has: a whole-pixel
    shift does nothing, a half-pixel one smooths most.

    Parameters
    ----------
    frequencies : (k,), cycles per pixel of the image, within ±0.5

    Returns
    -------
    signal : pair of (k,)
        Mean amplitude response along x and y: the factor on the PSF's transform.
    power : pair of (k,)
        Mean power response: the factor on the spectrum of white noise.
    """
    step = max(1, min(mapping.shape) // 16)
    signal, power = [], []
    for positions in (mapping.x, mapping.y):
        phase = positions[::step, ::step].ravel() % 1
        response = _response(phase[:, None], frequencies[None, :])
        signal.append(response.mean(axis=0).real)
        power.append((np.abs(response) ** 2).mean(axis=0))
    return (signal[0], signal[1]), (power[0], power[1])


def pixel_power(mapping: PixelMapping) -> float:
    """Return the variance of a resampled pixel over that of white noise before."""
    _, (along_x, along_y) = spline_response(mapping, np.arange(-64, 64) / 128)
    return float(along_x.mean() * along_y.mean())


def _response(
    phase: NDArray[np.float64], k: NDArray[np.float64]
) -> NDArray[np.complex128]:
    """Cardinal cubic spline at a phase 0..1, relative to the ideal shift."""
    total = np.zeros(np.broadcast_shapes(phase.shape, k.shape), dtype=np.complex128)
    for m in (-2, -1, 0, 1):
        total += _b_spline(m + phase) * np.exp(-2j * np.pi * k * (m + phase))
    return total * 6 / (4 + 2 * np.cos(2 * np.pi * k))


def _b_spline(t: NDArray[np.float64]) -> NDArray[np.float64]:
    t = np.abs(t)
    inner = 2 / 3 - t**2 + t**3 / 2
    return np.where(t < 1, inner, np.maximum(2 - t, 0) ** 3 / 6)


def _gather_bits(mask: Mask, mapping: PixelMapping) -> Mask:
    """Union of the bits of the four nearest pixels; NO_DATA outside the image."""
    my, mx = mask.shape
    x0 = np.floor(mapping.x).astype(np.intp)
    y0 = np.floor(mapping.y).astype(np.intp)
    bits = np.zeros(mapping.shape, dtype=np.uint16)
    if mask.any():
        for dy in (0, 1):
            rows = np.clip(y0 + dy, 0, my - 1)
            for dx in (0, 1):
                bits |= mask[rows, np.clip(x0 + dx, 0, mx - 1)]
    outside = (
        (mapping.x < -0.5)
        | (mapping.x > mx - 0.5)
        | (mapping.y < -0.5)
        | (mapping.y > my - 0.5)
    )
    bits[outside] |= np.uint16(MaskBit.NO_DATA)
    return bits


def _knots(n: int) -> NDArray[np.float64]:
    return np.linspace(0, n - 1, max(4, (n - 1) // GRID_STEP_PX + 2))


def _mean_slope(values: NDArray[np.float64], *, axis: int, n: int) -> float:
    ends = np.take(values, -1, axis=axis) - np.take(values, 0, axis=axis)
    return float(ends.mean() / (n - 1))
