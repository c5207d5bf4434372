"""The reference's PSF and noise after resampling onto the science grid.

Rotation and scale of the mapping turn the stamp; the spline smooths the PSF a
little and takes power from the noise at high frequencies. All of it is computed
from the mapping, nothing is fitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import map_coordinates

from astrid_assets.science.differencing.transform import (
    back,
    forward,
    frequencies,
)
from astrid_assets.science.registration.resampling import spline_response

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.differencing.filters import Axes
    from astrid_assets.science.differencing.local_psf import Positions, Stamps
    from astrid_assets.science.frame import PsfModel
    from astrid_assets.science.registration.pixel_mapping import PixelMapping

TURN_TOLERANCE = 1e-3  # a stamp of 31 pixels moves by less than 0.02 px at its edge
TABLE = np.linspace(-0.5, 0.5, 257)  # cycles per pixel of the reference


class RegisteredPsf:
    """A reference's PSF as it looks on the science grid.

    Parameters
    ----------
    psf
        PSF of the reference, on its own grid.
    mapping
        Mapping of the science grid into the reference.
    """

    def __init__(self, psf: PsfModel, mapping: PixelMapping) -> None:
        self._psf = psf
        self._mapping = mapping
        self._linear = mapping.linear()
        self._signal, self._power = spline_response(mapping, TABLE)

    def at(self, x: Positions, y: Positions) -> Stamps:
        """Return the PSF at positions of the science grid.

        Parameters
        ----------
        x, y : (n,), pixels
            Positions on the science frame.

        Returns
        -------
        stamps : (n, s, s)
            Unit sum, centred.
        """
        ny, nx = self._mapping.shape
        in_x, in_y = self._mapping.at(np.clip(x, 0, nx - 1), np.clip(y, 0, ny - 1))
        stamps = np.array(
            [self._turn(self._psf.at(float(a), float(b))) for a, b in zip(in_x, in_y, strict=True)]
        )
        n = stamps.shape[1]
        shape = (2 * n, 2 * n)
        spectra = forward(stamps, shape) * self._response(self._signal, shape)
        smoothed = back(spectra, shape)[:, :n, :n]
        total = smoothed.sum(axis=(1, 2), keepdims=True)
        return (smoothed / total).astype(np.float32)

    @property
    def centre(self) -> Image:
        """The stamp in the middle of the science grid."""
        ny, nx = self._mapping.shape
        return self.at(np.array([(nx - 1) / 2]), np.array([(ny - 1) / 2]))[0]

    def noise_axes(self, shape: tuple[int, int]) -> Axes:
        """Return the share of white noise's power that the spline leaves, along y and half of x.

        Where the mapping turns, the product of both axes stands for the plane.

        Parameters
        ----------
        shape
            Shape of the plane, (ny, nx) pixels.

        Returns
        -------
        along_y, along_x : (ny,) and (nx // 2 + 1,)
            Dimensionless, at most 1.
        """
        along_x, along_y = frequencies(shape)
        zero = np.zeros(1)
        return (
            self._response_at(self._power, zero, along_y)[:, 0].astype(np.float32),
            self._response_at(self._power, along_x, zero)[0].astype(np.float32),
        )

    def _response(
        self,
        table: tuple[NDArray[np.float64], NDArray[np.float64]],
        shape: tuple[int, int],
    ) -> NDArray[np.float64]:
        return self._response_at(table, *frequencies(shape))

    def _response_at(
        self,
        table: tuple[NDArray[np.float64], NDArray[np.float64]],
        along_x: NDArray[np.float64],
        along_y: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        # f(A p) has at frequency k what f has at k A^-1.
        inverse = np.linalg.inv(self._linear)
        kx = along_x[None, :] * inverse[0, 0] + along_y[:, None] * inverse[1, 0]
        ky = along_x[None, :] * inverse[0, 1] + along_y[:, None] * inverse[1, 1]
        return np.interp(kx, TABLE, table[0]) * np.interp(ky, TABLE, table[1])

    def _turn(self, stamp: Image) -> Image:
        if np.abs(self._linear - np.eye(2)).max() < TURN_TOLERANCE:
            return stamp
        half = stamp.shape[0] // 2
        dy, dx = np.mgrid[-half : half + 1, -half : half + 1]
        a = self._linear
        turned = map_coordinates(
            stamp,
            (half + a[1, 0] * dx + a[1, 1] * dy, half + a[0, 0] * dx + a[0, 1] * dy),
            order=3,
            mode="constant",
        )
        return turned / turned.sum()
