"""The point-spread function as a polynomial of the position in the frame.

`PsfModel` is the one form in which a PSF travels: measured here, stored beside
its frame, used by differencing, detection, injection and masks. `fit_psf` measures
it from stars; how is in `psf_fitting`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astrid_assets.science.frame import Frame, Image, Stars


@dataclass(frozen=True)
class PsfModel:
    """A PSF that varies over the frame as a polynomial of position.

    Attributes
    ----------
    coefficients : (k, n, n)
        Stamps, odd `n`, star centred on pixel ``[n // 2, n // 2]``; `k` is 1 for a
        constant PSF, 3 for one linear in x and y, 6 for a quadratic one. The first
        has unit sum, the others sum to zero, so the PSF has unit sum everywhere.
    frame_shape : (ny, nx)
        Scales positions to -1..1.
    fwhm_px : pixels
        At the centre of the frame.
    n_stars
        Stars it was measured from.
    """

    coefficients: Image
    frame_shape: tuple[int, int]
    fwhm_px: float
    n_stars: int

    @property
    def size(self) -> int:
        """Side of the stamp in pixels (odd)."""
        return int(self.coefficients.shape[-1])

    def at(self, x: float, y: float) -> Image:
        """Return the PSF at a position: (n, n), unit sum, centred on its middle."""
        terms = polynomial_terms(x, y, self.frame_shape, len(self.coefficients))
        return np.tensordot(terms, self.coefficients, axes=1).astype(np.float32)

    @property
    def centre(self) -> Image:
        """The PSF in the middle of the frame: (n, n), unit sum."""
        ny, nx = self.frame_shape
        return self.at((nx - 1) / 2, (ny - 1) / 2)


def polynomial_terms(
    x: float, y: float, frame_shape: tuple[int, int], count: int
) -> Image:
    """Return 1, u, v, u², uv, v² (the first `count`), with u, v in -1..1."""
    ny, nx = frame_shape
    u = 2 * x / max(nx - 1, 1) - 1
    v = 2 * y / max(ny - 1, 1) - 1
    return np.array([1, u, v, u * u, u * v, v * v][:count], dtype=np.float32)


def fit_psf(frame: Frame, stars: Stars) -> PsfModel:
    """Measure the PSF from a frame's isolated, unsaturated stars.

    Constant over the frame for few stars, linear or quadratic in position when
    there are enough to carry it.

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
