"""The reference's PSF and noise after resampling onto the science grid.

Rotation and scale of the mapping turn the stamp; the spline smooths the PSF a
little and takes power from the noise at high frequencies. All of it is computed
from the mapping, nothing is fitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import map_coordinates

from astrid_assets.science.differencing.tiles import frequencies
from astrid_assets.science.differencing.transform import back, forward
from astrid_assets.science.registration import PixelMapping, spline_response

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.differencing.zogy import Power
    from astrid_assets.science.frame import Image
    from astrid_assets.science.psf import PsfModel

TURN_TOLERANCE = 1e-3  # a stamp of 31 pixels moves by less than 0.02 px at its edge
TABLE = np.linspace(-0.5, 0.5, 257)  # cycles per pixel of the reference


class RegisteredPsf:
    """A reference's PSF as it looks on the science grid.

    Parameters
    ----------
    psf
        Of the reference, on its own grid.
    mapping
        Of the science grid into the reference.
    """

    def __init__(self, psf: PsfModel, mapping: PixelMapping) -> None:
        self._psf = psf
        self._mapping = mapping
        self._linear = mapping.linear()
        self._signal, self._power = spline_response(mapping, TABLE)

    def at(self, x: float, y: float) -> Image:
        """Return the stamp at a position of the science grid: unit sum, centred."""
        ny, nx = self._mapping.shape
        row = int(np.clip(round(y), 0, ny - 1))
        column = int(np.clip(round(x), 0, nx - 1))
        stamp = self._turn(
            self._psf.at(
                float(self._mapping.x[row, column]), float(self._mapping.y[row, column])
            )
        )
        shape = (2 * stamp.shape[0], 2 * stamp.shape[0])
        spectrum = forward(stamp, shape) * self._response(self._signal, shape)
        smoothed = back(spectrum, shape)[: stamp.shape[0], : stamp.shape[1]]
        return (smoothed / smoothed.sum()).astype(np.float32)

    @property
    def centre(self) -> Image:
        """The stamp in the middle of the science grid."""
        ny, nx = self._mapping.shape
        return self.at((nx - 1) / 2, (ny - 1) / 2)

    def noise_power(self, shape: tuple[int, int]) -> Power:
        """Return the power the spline leaves of white noise, on rfft2's half."""
        return self._response(self._power, shape).astype(np.float32)

    def _response(
        self,
        table: tuple[NDArray[np.float64], NDArray[np.float64]],
        shape: tuple[int, int],
    ) -> NDArray[np.float64]:
        along_x, along_y = frequencies(shape)
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
