"""Shapes of candidates on the difference image, with the errors noise gives them.

The difference's noise is white, so every number here has a simple error. All
moments are weighted with a Gaussian as wide as the difference's PSF and compared
with that PSF measured in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from astrid_assets.science.detection.apertures import aperture_fluxes
from astrid_assets.science.detection.peaks import Peaks, disc, window
from astrid_assets.science.differencing.transform import StampSpectrum, back
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image, Mask
    from astrid_assets.science.differencing.difference import Difference

Values = NDArray[np.float64]

FWHM_TO_SIGMA = 1 / np.sqrt(8 * np.log(2))
RADIUS_FWHM = 2.0
FIT_RADIUS_FWHM = 1.0
MIN_RADIUS_PX = 7  # holds one lit pixel's response anywhere near the peak
RESPONSE_PX = 7
ONE_PIXEL = np.zeros((RESPONSE_PX, RESPONSE_PX), dtype=np.float32)
ONE_PIXEL[RESPONSE_PX // 2, RESPONSE_PX // 2] = 1
TINY = 1e-12
PASSED_POWER = 1e-4  # of the PSF's transform: below it lies no information
MISMATCH = 0.3  # of a constant star's pixels, between PSFs that are not matched
MAX_WIDTH = 0.95  # weighted second moment over the weight's own: beyond it, no width
SHARP_SHAPES = (
    ((0, 0),),
    ((0, 0), (0, 1)),
    ((0, 0), (1, 0)),
    ((0, 0), (1, 1)),
    ((0, 1), (1, 0)),
    ((0, 0), (0, 1), (1, 0), (1, 1)),
)  # pixels (row, column) that a cosmic ray or hot pixel lights
FREE_PIXELS = 4  # of a square, each with its own light, where pixels are independent


@dataclass(frozen=True)
class CandidateShapes:
    """Shapes of candidates, arrays of shape (n,).

    Attributes
    ----------
    aperture_flux, aperture_flux_err : electrons
        Along the candidate's sign; NaN where too much of it is masked.
    fwhm_px, elongation
        NaN where noise leaves no positive width.
    size_ratio, size_error
        Weighted second moment over that of the PSF, and its error.
    ellipticity, ellipticity_error
        Ellipticity of the weighted moments relative to the PSF's (0: a point source), and
        its error.
    sharp_gain
        Chi-square by which the best few pixels fit better than the PSF.
    chi2, n_pixels
        Reduced chi-square of the PSF fit, and its pixels.
    """

    aperture_flux: Values
    aperture_flux_err: Values
    fwhm_px: Values
    elongation: Values
    size_ratio: Values
    size_error: Values
    ellipticity: Values
    ellipticity_error: Values
    sharp_gain: Values
    chi2: Values
    n_pixels: NDArray[np.intp]


@dataclass(frozen=True)
class PointSource:
    """What a point source looks like on the difference image."""

    stamp: Image
    fwhm_px: float
    pixel_response: Image
    """What one lit pixel of the science frame looks like there: (7, 7)."""

    @classmethod
    def of(cls, psf_d: Image, science_psf: Image | None = None) -> PointSource:
        """Measure the FWHM of a PSF from its height: exact for a Gaussian.

        Parameters
        ----------
        psf_d : (n, n), unit sum
            PSF of the difference.
        science_psf : (n, n), unit sum
            That of the science frame; None: a pixel is as sharp as the grid allows.

        Returns
        -------
        source
            A point source on the difference image.
        """
        # Area of a Gaussian: 2 pi sigma^2 = flux / peak.
        peak = float(psf_d.max())
        sigma = np.sqrt(1 / (2 * np.pi * peak))
        pixel = ONE_PIXEL if science_psf is None else _pixel(psf_d, science_psf)
        return cls(psf_d, float(sigma / FWHM_TO_SIGMA), pixel)

    def size_ratio_of(self, fwhm_ratio: float) -> float:
        """Return the weighted second moment of a wider source over that of the PSF.

        Parameters
        ----------
        fwhm_ratio
            FWHM over that of the PSF.

        Returns
        -------
        ratio
            Dimensionless.
        """
        return 2 * fwhm_ratio**2 / (1 + fwhm_ratio**2)

    @staticmethod
    def ellipticity_of(elongation: float) -> float:
        """Return the weighted ellipticity of a source as large as the PSF.

        Parameters
        ----------
        elongation
            Ratio of the long to the short axis.

        Returns
        -------
        ellipticity
            Between 0 and 1.
        """
        major, minor = elongation / (1 + elongation), 1 / (1 + elongation)
        return (major - minor) / (major + minor)


def _pixel(psf_d: Image, science_psf: Image) -> Image:
    """Return one pixel as seen through the filter that made one PSF from the other."""
    n = 2 * max(psf_d.shape[0], science_psf.shape[0])
    seen, through = (StampSpectrum(stamp, (n, n)).whole() for stamp in (psf_d, science_psf))
    power = np.abs(through) ** 2
    # Where the PSF's transform vanishes the filter is unknown; the pixel is left as it is.
    known = power / (power + PASSED_POWER)
    filtered = back(known * seen * np.conj(through) / (power + 1e-12) + (1 - known), (n, n))
    r = RESPONSE_PX // 2
    return np.roll(filtered, (r, r), axis=(0, 1))[:RESPONSE_PX, :RESPONSE_PX].astype(np.float32)


def measure_candidate_shapes(
    difference: Difference,
    noise: Values,
    peaks: Peaks,
    source: PointSource,
    stamps: Image,
    per_electron: float,
) -> CandidateShapes:
    """Measure every peak on the difference image.

    Parameters
    ----------
    difference : (ny, nx), electrons
        Science minus reference.
    noise : (n,), electrons per pixel
        Noise of the difference around each peak.
    peaks : (n,)
        The candidates.
    source
        A point source on the difference image.
    stamps : (n, s, s)
        Its PSF at each peak, centred.
    per_electron
        Variance that one electron in the registered reference adds to a pixel of the difference.

    Returns
    -------
    shapes : (n,)
        Fluxes in electrons, widths in pixels, and their errors.
    """
    radius = max(int(np.ceil(RADIUS_FWHM * source.fwhm_px)), MIN_RADIUS_PX)
    at = peaks.row, peaks.column
    data = window(difference.d, *at, radius).astype(np.float64)
    data *= peaks.sign[:, None, None]
    shift_x, shift_y = peaks.x - peaks.column, peaks.y - peaks.row
    model = _laid(stamps, shift_x, shift_y, radius)
    dy, dx = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(float)
    x = dx - shift_x[:, None, None]
    y = dy - shift_y[:, None, None]
    sigma2 = (source.fwhm_px * FWHM_TO_SIGMA) ** 2
    weight = np.exp(-0.5 * (x**2 + y**2) / sigma2)
    found, expected = _moments(data, weight, x, y), _moments(model, weight, x, y)
    error = noise / np.maximum(found.light, 1e-9)
    size_error = error * np.sqrt(
        (weight**2 * (x**2 + y**2 - found.trace[:, None, None]) ** 2).sum(axis=(1, 2))
    )
    cross_error = error * np.sqrt((weight**2 * (x**2 - y**2) ** 2).sum(axis=(1, 2)))
    ellipticity = np.hypot(
        found.plus / found.trace - expected.plus / expected.trace,
        found.cross / found.trace - expected.cross / expected.trace,
    )
    fwhm, elongation = _intrinsic(found, sigma2)
    usable = (window(difference.mask, *at, radius, MaskBit.NO_DATA) & UNUSABLE) == 0
    around = window(difference.flux_err, *at, radius) / peaks.flux_err[:, None, None]
    aperture = aperture_fluxes(
        data, model, usable, np.hypot(x, y), noise[:, None, None] * around, source.fwhm_px
    )
    chi2, n_pixels = _chi2(
        data, model, _noise_by_pixel(difference, noise, peaks, radius, per_electron), source.fwhm_px
    )
    return CandidateShapes(
        aperture_flux=aperture[0],
        aperture_flux_err=aperture[1],
        fwhm_px=fwhm,
        elongation=elongation,
        size_ratio=found.trace / expected.trace,
        size_error=size_error / expected.trace,
        ellipticity=ellipticity,
        ellipticity_error=cross_error / expected.trace,
        sharp_gain=np.where(
            peaks.sign > 0,
            _sharp_gain(data, model, noise, source.pixel_response),
            _sharp_gain(data, model, noise, ONE_PIXEL),
        ),
        chi2=chi2,
        n_pixels=np.full(len(chi2), n_pixels),
    )


def _noise_by_pixel(
    difference: Difference, noise: Values, peaks: Peaks, radius: int, per_electron: float
) -> Values:
    """Return the noise of each pixel around the peaks, with the photons of the star itself."""
    at = peaks.row, peaks.column
    light = window(difference.registered_reference, *at, radius).astype(np.float64)
    # The light of a brighter neighbour is not counted.
    own = window(difference.registered_reference, *at, 1).max(axis=(1, 2))
    photons = per_electron * np.clip(light, 0, np.maximum(own, 0)[:, None, None])
    return np.sqrt(noise[:, None, None] ** 2 + photons)


def fit_on_frame(
    images: tuple[Image, Image, Mask],
    peaks: Peaks,
    stamps: Image,
    noises: tuple[float, float],
    fwhm_px: float,
) -> tuple[Values, Values, int]:
    """Return how brightenings look on the science frame less the reference.

    On the difference, the filter may have smeared what hit single pixels, and the noise
    around bright stars is large.

    Parameters
    ----------
    images : (ny, nx), electrons
        The science frame, the reference on its grid, and the frame's mask: unusable pixels
        do not count.
    peaks : (n,)
        The candidates.
    stamps : (n, s, s)
        PSF of the science frame at each peak, centred.
    noises : electrons per pixel
        Noise of the sky on the science frame and on the reference.
    fwhm_px : pixels
        FWHM of the science PSF.

    Returns
    -------
    sharp_gain : (n,)
        By how much a few lit pixels fit the frame less the reference better than the PSF,
        chi-square; it means something only where the reference shows nothing.
    chi2 : (n,)
        Reduced chi-square of the PSF, with `MISMATCH` times the reference's light as noise,
        because the images' PSFs differ.
    n_pixels
        Number of pixels in that fit.
    """
    radius = max(stamps.shape[1] // 2, MIN_RADIUS_PX)
    at = peaks.row, peaks.column
    data, static = (window(image, *at, radius).astype(np.float64) for image in images[:2])
    bad = (window(images[2], *at, radius) & UNUSABLE) != 0
    model = _laid(stamps, peaks.x - peaks.column, peaks.y - peaks.row, radius)
    source = peaks.flux[:, None, None] * model
    light = np.maximum(source, 0) + np.maximum(static, 0)
    noise = np.sqrt(sum(n**2 for n in noises) + light + (MISMATCH * static) ** 2)
    rise = np.where(bad, source, data - static)
    return (
        _sharp_gain(rise, model, np.full(len(rise), noises[0]), ONE_PIXEL),
        *_chi2(rise, model, noise, fwhm_px),
    )


@dataclass(frozen=True)
class _Moments:
    light: Values
    trace: Values
    plus: Values
    cross: Values


def _moments(data: Values, weight: Values, x: Values, y: Values) -> _Moments:
    light = (weight * data).sum(axis=(1, 2))
    # A peak of the score has light under it; the floor keeps odd ones finite.
    safe = np.where(np.abs(light) > 1e-9, light, 1e-9)
    xx, yy, xy = ((weight * data * v).sum(axis=(1, 2)) / safe for v in (x * x, y * y, x * y))
    trace = xx + yy
    return _Moments(safe, np.where(trace == 0, 1e-9, trace), xx - yy, 2 * xy)


def _intrinsic(found: _Moments, sigma2: float) -> tuple[Values, Values]:
    """Return FWHM and a/b with the weight removed; NaN where no positive width is left."""
    difference = np.hypot(found.plus, found.cross)
    major, minor = (found.trace + difference) / 2, (found.trace - difference) / 2
    answers = (minor > 0) & (major < MAX_WIDTH * sigma2)
    with np.errstate(divide="ignore", invalid="ignore"):
        a2 = 1 / (1 / major - 1 / sigma2)
        b2 = 1 / (1 / minor - 1 / sigma2)
        fwhm = np.sqrt(np.sqrt(a2 * b2)) / FWHM_TO_SIGMA
        elongation = np.sqrt(a2 / b2)
    return np.where(answers, fwhm, np.nan), np.where(answers, elongation, np.nan)


def _sharp_gain(data: Values, model: Values, noise: Values, pixel_response: Image) -> Values:
    """Return by how much a few lit pixels near the peak fit better than the PSF, chi-square."""
    norm = np.sqrt((model**2).sum(axis=(1, 2)))
    psf = (data * model).sum(axis=(1, 2)) / norm / noise
    half, r = data.shape[1] // 2, pixel_response.shape[0] // 2
    # Positions of the first lit pixel: two around the peak; the others lie beyond.
    low, high = half - 2 - r, half + 3 + r + 1
    windows = sliding_window_view(data[:, low:high, low:high], (2 * r + 2, 2 * r + 2), axis=(1, 2))
    sharpest = np.full(len(data), -np.inf)
    for pixels in SHARP_SHAPES:
        lit = np.zeros((2 * r + 2, 2 * r + 2))
        for row, column in pixels:
            lit[row : row + 2 * r + 1, column : column + 2 * r + 1] += pixel_response
        lit /= np.sqrt((lit**2).sum())
        light = np.einsum("nyxij,ij->nyx", windows, lit, optimize=True)
        sharpest = np.maximum(sharpest, light.max(axis=(1, 2)) / noise)
    found = np.sign(sharpest) * sharpest**2
    if pixel_response is ONE_PIXEL:
        found = np.maximum(found, _free_square(windows[..., r:-r, r:-r], noise))
    return found - np.sign(psf) * psf**2


def _free_square(windows: Values, noise: Values) -> Values:
    """Return the chi-square that four free pixels explain, less their three extra parameters."""
    power = np.square(np.maximum(windows, 0)).sum(axis=(3, 4)).max(axis=(1, 2))
    return power / noise**2 - (FREE_PIXELS - 1)


def _chi2(data: Values, model: Values, noise: Values, fwhm_px: float) -> tuple[Values, int]:
    """Return the reduced chi-square of the model near the peak; noise per pixel, as `data`."""
    half = data.shape[1] // 2
    around = disc(FIT_RADIUS_FWHM * fwhm_px)
    r = around.shape[0] // 2
    cut = slice(half - r, half + r + 1)
    seen, expected, error = (
        np.broadcast_to(values, data.shape)[:, cut, cut][:, around]
        for values in (data, model, noise)
    )
    flux = (seen * expected).sum(axis=1) / (expected**2).sum(axis=1)
    residual = (seen - flux[:, None] * expected) / error
    n = int(around.sum())
    return (residual**2).sum(axis=1) / max(n - 3, 1), n


def _laid(stamps: Image, dx: Values, dy: Values, radius: int) -> Values:
    """Move each stamp by its own sub-pixel offset: (n, 2 r + 1, 2 r + 1)."""
    side = 2 * radius + 1
    laid = np.empty((len(stamps), side, side))
    for i, stamp in enumerate(stamps):
        laid[i] = _shifted(stamp, dx[i : i + 1], dy[i : i + 1], radius)[0]
    return laid


def _shifted(stamp: Image, dx: Values, dy: Values, radius: int) -> Values:
    """Move a centred stamp by sub-pixel offsets: (n, 2 r + 1, 2 r + 1)."""
    half = stamp.shape[0] // 2
    grid_y, grid_x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(float)
    return map_coordinates(
        stamp.astype(np.float64),
        (
            half + grid_y - dy[:, None, None],
            half + grid_x - dx[:, None, None],
        ),
        order=3,
    )
