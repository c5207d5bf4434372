"""Fields of stars with a known PSF everywhere, painted by `science.simulation`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.simulation.point_spread import PsfField, star_stamps
from astrid_assets_tests.science.star_fields import flat_frame, noisy

if TYPE_CHECKING:
    from astrid_assets.science.frame import Frame

Array = NDArray[np.float64]
SKY_E, READ_NOISE_E = 300.0, 5.0


@dataclass(frozen=True)
class KnownField:
    """A frame with its true variance, its true PSF, and the stars painted on it."""

    frame: Frame
    psf: PsfField
    x: Array
    y: Array
    flux: Array

    @property
    def side(self) -> int:
        """Pixels."""
        return self.frame.shape[0]


def known_field(
    rng: np.random.Generator,
    n: int,
    side: int = 512,
    *,
    faintest_e: float = 2e4,
    brightest_e: float = 2e5,
    spread: bool = False,
    **psf: object,
) -> KnownField:
    """Paint stars of a PSF; `spread` puts them on a jittered grid, each alone."""
    truth = PsfField(frame_shape=(side, side), **{"fwhm_px": 3.0, **psf})  # type: ignore[arg-type]  # passed on
    x, y = rng.uniform(0, side - 1, (2, n))
    if spread:
        cells = int(np.ceil(np.sqrt(n)))
        pitch = side / cells
        index = np.arange(n)
        x = (index % cells + 0.5 + rng.uniform(-0.15, 0.15, n)) * pitch
        y = (index // cells + 0.5 + rng.uniform(-0.15, 0.15, n)) * pitch
    flux = np.minimum(faintest_e * (1 + rng.pareto(1.0, n)), brightest_e)
    light = painted(truth, x, y, flux)
    frame = flat_frame(noisy(rng, light, SKY_E, READ_NOISE_E), SKY_E, READ_NOISE_E)
    return KnownField(frame, truth, x, y, flux)


def painted(psf: PsfField, x: Array, y: Array, flux: Array) -> Array:
    """Return the noiseless image."""
    ny, nx = psf.frame_shape
    half = psf.size // 2
    columns, rows = np.rint(x), np.rint(y)
    image = np.zeros((ny + 2 * half, nx + 2 * half))
    stars = star_stamps(psf, x, y, x - columns, y - rows, half)
    for star, light, i, j in zip(stars, flux, rows.astype(int), columns.astype(int), strict=True):
        image[i : i + 2 * half + 1, j : j + 2 * half + 1] += light * star
    return image[half:-half, half:-half]


def pixels_at(psf: PsfField, x: float, y: float, size: int) -> Array:
    """Return the true pixels of a star at exactly (x, y): (size, size)."""
    off = np.array([x - np.rint(x)]), np.array([y - np.rint(y)])
    at = np.array([x]), np.array([y])
    return star_stamps(psf, *at, *off, size // 2)[0].astype(float)
