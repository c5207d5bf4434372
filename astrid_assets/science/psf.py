"""The point-spread function as a polynomial of the position in the frame.

`PsfModel` is the one form in which a PSF travels: measured here, stored beside
its frame, used by differencing, detection, injection and masks. `fit_psf` measures
it from stars; how is in `psf_fitting`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

if TYPE_CHECKING:
    from astrid_assets.science.frame import Frame, Image, Stars

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PsfModel:
    """A PSF that varies over the frame as a polynomial of position.

    Attributes
    ----------
    coefficients : (k, m, m)
        Stamps, odd `m`, star centred on ``[m // 2, m // 2]``; `k` is 1 for a
        constant PSF, 3 for one linear in x and y, 6 quadratic, 10 cubic. The first
        has unit sum over pixels, the others zero sum: unit sum everywhere.
    frame_shape : (ny, nx)
        Scales positions to -1..1.
    fwhm_px : pixels
        At the centre of the frame.
    n_stars
        Stars it was measured from.
    oversampling
        Samples of the coefficients per pixel: above 1 where pixels are too wide to
        tell how the PSF looks between their centres. Every sample is what a whole
        pixel there would collect.

    References
    ----------
    Anderson & King 2000, PASP 112, 1360: the effective PSF.
    """

    coefficients: Image
    frame_shape: tuple[int, int]
    fwhm_px: float
    n_stars: int
    oversampling: int = 1

    @property
    def size(self) -> int:
        """Side of the stamp in pixels (odd)."""
        return int(self.coefficients.shape[-1] - 1) // self.oversampling + 1

    def at(self, x: float, y: float) -> Image:
        """Return the PSF at a position: (n, n), unit sum, centred on its middle."""
        terms = polynomial_terms(x, y, self.frame_shape, len(self.coefficients))
        stamps = self.coefficients[:, :: self.oversampling, :: self.oversampling]
        return np.tensordot(terms, stamps, axes=1).astype(np.float32)

    def stamp(self, x: float, y: float) -> Image:
        """Return the pixels of a star at exactly (x, y): (n, n), about unit sum.

        The middle pixel is the one nearest to the position.
        """
        # `psf_photometry` builds on this model.
        from astrid_assets.science.psf_photometry import shifted_psfs

        return shifted_psfs(self, np.array([x]), np.array([y]))[0]

    @property
    def centre(self) -> Image:
        """The PSF in the middle of the frame: (n, n), unit sum."""
        ny, nx = self.frame_shape
        return self.at((nx - 1) / 2, (ny - 1) / 2)

    def terms_at(self, x: Array, y: Array) -> Array:
        """Return the polynomial terms at many positions: (n, k)."""
        return polynomials(x, y, self.frame_shape, len(self.coefficients))

    def spline_nodes(self) -> Array:
        """Return the cubic B-spline whose values are the coefficients: (k, m, m)."""
        stamps = np.asarray(self.coefficients, dtype=np.float64)
        return np.stack([ndimage.spline_filter(stamp, order=3) for stamp in stamps])


def polynomial_terms(x: float, y: float, frame_shape: tuple[int, int], count: int) -> Image:
    """Return 1, u, v, u², uv, v², u³ … (the first `count`), with u, v in -1..1."""
    return np.array(_polynomial(x, y, frame_shape)[:count], dtype=np.float32)


def polynomials(x: Array, y: Array, frame_shape: tuple[int, int], count: int) -> Array:
    """Return the terms of many positions: (n, count)."""
    out = np.empty((len(x), count))
    for k, term in enumerate(_polynomial(x, y, frame_shape)[:count]):
        out[:, k] = term
    return out


def _polynomial(
    x: float | Array, y: float | Array, frame_shape: tuple[int, int]
) -> list[float | Array]:
    ny, nx = frame_shape
    # Beyond the frame the PSF of its border holds: a polynomial must not run away.
    u = np.clip(2 * x / max(nx - 1, 1) - 1, -1, 1)
    v = np.clip(2 * y / max(ny - 1, 1) - 1, -1, 1)
    linear = [1.0, u, v]
    quadratic = [u * u, u * v, v * v]
    return [*linear, *quadratic, u * u * u, u * u * v, u * v * v, v * v * v]


def fit_psf(frame: Frame, stars: Stars) -> PsfModel:
    """Measure the PSF from a frame's isolated, unsaturated stars.

    Constant over the frame, or a polynomial in position of the order that predicts
    the shapes of left-out stars best.

    Parameters
    ----------
    frame
        Sky-subtracted, with a variance.
    stars
        Of this frame, with their flags (`stars.measure_stars`).

    Raises
    ------
    TooFewStars
        If fewer than `psf_fitting.MIN_PSF_STARS` usable stars are there.
    """
    # `psf_fitting` builds on the model above.
    from astrid_assets.science.psf_fitting import fit

    return fit(frame, stars)
