"""Registration: one image on the pixel grid of another, by their WCS.

A mapping gives the position of each pixel of the new grid in the old image; `resample`
follows it with a cubic spline, conserving flux. The effect of interpolation on noise
and PSF is not ignored: `spline_response` gives it exactly. Residual offsets measured
on stars are in `differencing.common_stars`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.threads import in_bands
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.science.registration import resampling_kernels as kernels
from astrid_assets.science.registration import spline_kernels
from astrid_assets.science.registration.pixel_mapping import PixelMapping, basis_of

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image, Mask

FILL_SIGMA_PX = 2.0  # width of the Gaussian that weights good pixels in the mean for a masked one
FILL_REACH_PX = 6  # three of those sigma
PHASES = 300  # number of pixels whose sub-pixel phases represent all
R2_STEPS = np.array([0.7548776662466927, 0.5698402909980532])
"""Steps of the two-dimensional sequence of lowest discrepancy: 1 / g and 1 / g²
with g³ = g + 1."""
MIN_FILL_WEIGHT = 1e-4  # further from good pixels than this: the sky level, 0


def pixel_mapping(wcs_from: WCS, wcs_to: WCS, shape: tuple[int, int]) -> PixelMapping:
    """Map the pixels of `wcs_from`'s grid to positions in `wcs_to`'s image.

    The WCS, distortions included, are evaluated on a coarse grid and interpolated
    by cubics.

    Parameters
    ----------
    wcs_from, wcs_to
        WCS of the grid and of the image.
    shape : (ny, nx)
        Shape of the grid.

    Returns
    -------
    mapping
        From the grid into the image.

    Raises
    ------
    FrameRejected
        ``bad_wcs`` when the two do not see the same sky.
    """

    def transform(
        x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        ra, dec = wcs_from.all_pix2world(x.ravel(), y.ravel(), 0)
        to_x, to_y = wcs_to.all_world2pix(ra, dec, 0, quiet=True)
        if not (np.isfinite(to_x).all() and np.isfinite(to_y).all()):
            raise FrameRejected(
                ReasonCode.BAD_WCS, "the WCS of frame and reference do not see the same sky"
            )
        return to_x.reshape(x.shape), to_y.reshape(x.shape)

    return PixelMapping.of(transform, shape)


def resample(
    image: Image,
    variance: Image,
    mask: Mask,
    mapping: PixelMapping,
    shape: tuple[int, int],
    spline: Image | None = None,
) -> tuple[Image, Image, Mask]:
    """Resample an image to the grid of a mapping; flux is conserved.

    Unusable pixels, and those that are not finite, are filled from their neighbours
    first, so nothing rings. Their bits reach the four pixels nearest to them, and
    ``INTERPOLATED`` all sixteen that use them. Positions outside the image are 0 with
    ``NO_DATA``. The variance is that of white noise with the same power on the scale of a
    PSF; the smoothed single pixels scatter less, see `pixel_power`. A pixel that is
    clearly wider than the image's is the mean of several samples.

    Parameters
    ----------
    image, variance, mask : (my, mx)
        In electrons, electrons squared, bits of `MaskBit`.
    mapping
        Mapping of the new grid into the image.
    shape : (ny, nx)
        The new grid; that of the mapping.
    spline : (my, mx)
        `spline_coefficients` of the image with its unusable pixels filled, where they
        are known already.

    Returns
    -------
    image, variance, mask : (ny, nx)
        On the new grid.

    Raises
    ------
    ValueError
        If the mapping has another shape.

    References
    ----------
    Unser, Aldroubi & Eden 1993, IEEE Trans. Signal Processing 41, 821: B-splines.
    """
    if mapping.shape != tuple(shape):
        raise ValueError(f"mapping of shape {mapping.shape}, grid of shape {shape}")
    image, mask = np.ascontiguousarray(image), np.ascontiguousarray(mask)
    variance = np.ascontiguousarray(variance, dtype=np.float32)
    bad, (n_bad, n_unmarked, n_unknown, any_bit) = _unusable(image, variance, mask)
    if n_unmarked:
        unmarked = bad & ((mask & UNUSABLE) == 0)
        mask = np.where(unmarked, np.uint16(MaskBit.NO_DATA), mask)
    if n_unknown:
        variance = _finite(variance)
    if spline is None:
        spline = _filtered(fill_masked(image, bad) if n_bad else image.copy())
    spread = np.zeros((0, 0), dtype=np.uint16)
    if any_bit or n_unmarked:
        spread = np.empty_like(mask)
        in_bands(lambda a, b: kernels.spread_bits(mask, spread, a, b), len(mask))
    values = np.empty(shape, dtype=np.float32)
    variances = np.empty(shape, dtype=np.float32)
    bits = np.empty(shape, dtype=np.uint16)
    nodes, basis = mapping.fields(), basis_of(mapping.step[1])
    in_bands(
        lambda a, b: kernels.resample_rows(
            spline,
            variance,
            spread,
            nodes,
            mapping.step,
            basis,
            mapping.samples,
            values,
            variances,
            bits,
            a,
            b,
        ),
        shape[0],
    )
    return values, variances, bits


def missing_at(bad: NDArray[np.bool_], mapping: PixelMapping) -> NDArray[np.bool_]:
    """Return where the nearest pixel of the image is bad or beyond its border.

    Parameters
    ----------
    bad : (my, mx)
        Bad pixels of the image that the mapping leads into.
    mapping
        Mapping of a grid into the image.

    Returns
    -------
    missing : (ny, nx)
        On the grid.
    """
    bad = np.ascontiguousarray(bad)
    out = np.empty(mapping.shape, dtype=np.bool_)
    nodes, basis = mapping.fields(), basis_of(mapping.step[1])
    in_bands(
        lambda a, b: kernels.nearest_rows(bad, nodes, mapping.step, basis, out, a, b),
        len(out),
    )
    return out


def unusable_pixels(image: Image, variance: Image, mask: Mask) -> tuple[NDArray[np.bool_], bool]:
    """Return the pixels without usable flux, and whether the mask marks all of them.

    Parameters
    ----------
    image, variance, mask : (ny, nx)
        In electrons, electrons squared, bits of `MaskBit`.

    Returns
    -------
    bad : (ny, nx)
        True under bits of `UNUSABLE`, and where image or variance is not finite or the
        variance negative.
    is_marked
        Whether the mask alone marks them all.
    """
    bad, (_, n_unmarked, _, _) = _unusable(
        np.ascontiguousarray(image),
        np.ascontiguousarray(variance, dtype=np.float32),
        np.ascontiguousarray(mask),
    )
    return bad, n_unmarked == 0


def spline_coefficients(image: Image) -> Image:
    """Return the cubic-spline coefficients of an image.

    scipy's `map_coordinates` of order 3 takes them with ``prefilter=False``.

    Parameters
    ----------
    image : (ny, nx)
        Without bad pixels.

    Returns
    -------
    coefficients : (ny, nx)
        Coefficients of the cubic B-spline that interpolates the image; mirrored borders.

    References
    ----------
    Unser, Aldroubi & Eden 1993, IEEE Trans. Signal Processing 41, 834.
    """
    return _filtered(np.array(image, dtype=np.float32, order="C"))


def fill_masked(image: Image, bad: NDArray[np.bool_]) -> Image:
    """Replace bad pixels by the weighted mean of good ones near; 0 far from any.

    Parameters
    ----------
    image : (ny, nx)
        In any unit.
    bad : (ny, nx)
        True on the pixels to replace.

    Returns
    -------
    filled : (ny, nx)
        The image itself without bad pixels.
    """
    where = np.flatnonzero(bad)
    if not len(where):
        return image
    filled = np.array(image, dtype=np.float32, order="C")
    bad = np.ascontiguousarray(bad)
    side = spline_kernels.BLOCK
    blocked = np.empty([-(-n // side) for n in bad.shape], dtype=np.bool_)
    in_bands(lambda a, b: spline_kernels.block_map(bad, blocked, a, b), len(blocked))
    offsets = np.arange(FILL_REACH_PX + 1)
    weights = np.exp(-(offsets**2) / (2 * FILL_SIGMA_PX**2))
    least = MIN_FILL_WEIGHT * (2 * weights.sum() - 1) ** 2
    values = np.empty(len(where), dtype=np.float32)
    in_bands(
        lambda a, b: spline_kernels.fill_pixels(
            filled, bad, blocked, where, weights, least, values, a, b
        ),
        len(where),
    )
    filled.ravel()[where] = values
    return filled


def spline_response(
    mapping: PixelMapping, frequencies: NDArray[np.float64]
) -> tuple[
    tuple[NDArray[np.float64], NDArray[np.float64]],
    tuple[NDArray[np.float64], NDArray[np.float64]],
]:
    """Return the cubic spline's effect on signal and noise, by frequency and axis.

    Averaged over the sub-pixel phases that the mapping really has: a whole-pixel
    shift has no effect, a half-pixel one smooths most. Where pixels are averages of
    several samples that is included.

    Parameters
    ----------
    mapping
        Mapping of a grid into an image.
    frequencies : (k,), cycles per pixel of the image, within ±0.5
        Frequencies at which the response is computed.

    Returns
    -------
    signal : pair of (k,)
        Mean amplitude response along x and y: the factor on the PSF's transform.
    power : pair of (k,)
        Mean power response: the factor on the spectrum of white noise.
    """
    ny, nx = mapping.shape
    # Evenly spread over the grid, but without a period that the phases could share.
    spread = np.arange(PHASES)
    columns, rows = (spread * R2_STEPS[:, None]) % 1 * [[nx], [ny]]
    at_image = mapping.at(np.floor(columns), np.floor(rows))
    offsets = (np.arange(mapping.samples) + 0.5) / mapping.samples - 0.5
    signal, power = [], []
    for at, (by_x, by_y) in zip(at_image, mapping.linear(), strict=True):
        response = np.zeros((len(at), len(frequencies)), dtype=np.complex128)
        inner = np.add.outer(by_x * offsets, by_y * offsets).ravel()
        for d in inner:
            phase = ((at + d) % 1)[:, None]
            response += _response(phase, frequencies) * np.exp(2j * np.pi * frequencies * d)
        response /= len(inner)
        signal.append(response.mean(axis=0).real)
        power.append((np.abs(response) ** 2).mean(axis=0))
    return (signal[0], signal[1]), (power[0], power[1])


def pixel_power(mapping: PixelMapping) -> float:
    """Return the variance of a resampled pixel over the one that `resample` states.

    Parameters
    ----------
    mapping
        Mapping of a grid into an image.

    Returns
    -------
    ratio
        For white noise.
    """
    _, (along_x, along_y) = spline_response(mapping, np.arange(-64, 64) / 128)
    area = abs(np.linalg.det(mapping.linear()))
    return float(along_x.mean() * along_y.mean() * area)


def _response(phase: NDArray[np.float64], k: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Cardinal cubic spline at phases 0..1, (n, 1), over the ideal shift: (n, k)."""
    total = np.zeros((len(phase), len(k)), dtype=np.complex128)
    for m in (-2, -1, 0, 1):
        total += _b_spline(m + phase) * np.exp(-2j * np.pi * k * m)
    total *= np.exp(-2j * np.pi * phase * k)
    return total * 6 / (4 + 2 * np.cos(2 * np.pi * k))


def _b_spline(t: NDArray[np.float64]) -> NDArray[np.float64]:
    t = np.abs(t)
    inner = 2 / 3 - t**2 + t**3 / 2
    return np.where(t < 1, inner, np.maximum(2 - t, 0) ** 3 / 6)


def _unusable(
    image: Image, variance: Image, mask: Mask
) -> tuple[NDArray[np.bool_], tuple[int, int, int, int]]:
    """Return the pixels without usable flux, and the counts of `kernels.find_unusable`."""
    bad = np.empty(image.shape, dtype=np.bool_)
    count = np.zeros((len(image), 4), dtype=np.int64)
    in_bands(
        lambda a, b: kernels.find_unusable(image, variance, mask, bad, count, a, b),
        len(image),
    )
    n_bad, n_unmarked, n_unknown, bits = (int(n) for n in count.sum(axis=0))
    return bad, (n_bad, n_unmarked, n_unknown, bits)


def _finite(variance: Image) -> Image:
    """Replace invalid variances from their neighbours, else by the typical one."""
    good = (variance >= 0) & (variance < kernels.LARGEST)
    filled = fill_masked(variance, ~good)
    typical = np.median(variance[good]) if good.any() else np.float32(1)
    return np.where(good | (filled > 0), filled, typical).astype(np.float32)


def _filtered(data: Image) -> Image:
    """Turn samples into coefficients of a cubic B-spline, in place."""
    ny, nx = data.shape
    if nx > 1:
        in_bands(lambda a, b: spline_kernels.spline_filter_rows(data, a, b), ny)
    if ny > 1:
        in_bands(lambda a, b: spline_kernels.spline_filter_columns(data, a, b), nx)
    return data
