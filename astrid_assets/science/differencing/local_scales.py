"""What the filters of the middle of a frame do to sources at other positions.

Computed from the PSFs alone, at a few positions, and interpolated. The filters are in
`filters`, the PSFs' description in `local_psf`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import make_interp_spline

from astrid_assets.science.arrays.threads import side_by_side
from astrid_assets.science.differencing.local_psf import fitted, terms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.differencing.filters import Design
    from astrid_assets.science.differencing.local_psf import Stamps
    from astrid_assets.science.differencing.matched import Blurs

SAMPLES = 5  # positions per axis at which flux scale and noise are computed


def local_scales(
    design: Design, blurs: Blurs, shape: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32], Stamps]:
    """Return how the filters of the middle scale D, flux and noise at every position.

    The scale of D, that of the flux, and the variance of the sky are ``by_y @ along_x``: the
    response of these filters to a source with the PSF of its position.

    Parameters
    ----------
    design
        The filters of the middle of the frame.
    blurs
        What each image is blurred with, and the PSF of a source, at any position.
    shape
        Shape of the frame, (ny, nx) pixels.

    Returns
    -------
    by_y : (ny, k)
        Factors along y.
    along_x : (3, k, nx)
        Factors along x, for the scale of D, that of the flux, and the variance of S
        on blank sky over F_S².
    psfs_d : (k, n, n)
        P_D as terms of `local_psf`.
    """
    ny, nx = shape
    grid_y, grid_x = (np.linspace(0, n - 1, SAMPLES) for n in (ny, nx))
    y, x = (axis.ravel() for axis in np.meshgrid(grid_y, grid_x, indexing="ij"))
    found = side_by_side(
        lambda at: design.local(*blurs.at(*at, shape)),
        zip(x.tolist(), y.tolist(), strict=True),
    )
    values = np.reshape([f[:3] for f in found], (SAMPLES, SAMPLES, 3))
    psfs_d, _ = fitted(np.array([f[3] for f in found]), terms(x, y, shape, len(blurs.science)))
    unit = np.eye(SAMPLES)
    by_y = make_interp_spline(grid_y, unit, k=3)(np.arange(ny))
    by_x = make_interp_spline(grid_x, unit, k=3)(np.arange(nx))
    values /= design.f_d, design.f_s, 1
    along_x = np.moveaxis(values, 2, 0) @ by_x.T
    return by_y.astype(np.float32), along_x.astype(np.float32), psfs_d
