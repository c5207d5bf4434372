"""From sky to pixels: a TAN projection with SIP distortion, jittered per frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from astropy.wcs import WCS, Sip

if TYPE_CHECKING:
    from astrid_assets.science.simulation.point_spread import Array
    from astrid_assets.science.simulation.scene import SimulationPlan

CORNER_PX = float(np.hypot(384, 384))
"""Distance from centre to corner of a full frame, where `distortion_px` holds."""


def true_wcs(
    plan: SimulationPlan,
    shift_px: tuple[float, float] = (0.0, 0.0),
    turn_deg: float = 0.0,
) -> WCS:
    """Return the WCS of a pointing; with the plan alone, the nominal one.

    Parameters
    ----------
    plan
        The survey: field centre, pixel scale, rotation and distortion.
    shift_px : (dx, dy), pixels
        How far the sky has moved over the detector.
    turn_deg : degrees
        Rotation on top of the scene's.

    Returns
    -------
    wcs
        Gnomonic with SIP distortion, ICRS.
    """
    scene = plan.scene
    ny, nx = plan.shape
    angle = np.deg2rad(scene.rotation_deg + turn_deg)
    step = scene.pixel_scale_arcsec / 3600
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.radesys = "ICRS"
    # The optical axis stays in the middle of the detector; the sky moves under it.
    wcs.wcs.crpix = [(nx + 1) / 2, (ny + 1) / 2]
    wcs.wcs.cd = step * np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    dx, dy = shift_px
    east, north = wcs.wcs.cd @ (-dx, -dy)
    dec = scene.dec_deg + north
    wcs.wcs.crval = [scene.ra_deg + east / np.cos(np.deg2rad(dec)), dec]
    cubic = scene.distortion_px / CORNER_PX**3
    tilt = 0.08 * scene.distortion_px / CORNER_PX**2
    a, b = np.zeros((4, 4)), np.zeros((4, 4))
    a[3, 0] = a[1, 2] = cubic
    b[0, 3] = b[2, 1] = cubic
    a[2, 0], a[1, 1], b[0, 2] = tilt, -0.6 * tilt, 0.7 * tilt
    wcs.sip = Sip(a, b, None, None, wcs.wcs.crpix)
    wcs.wcs.set()
    return wcs


def simulated_pixels(wcs: WCS, ra_deg: Array, dec_deg: Array) -> tuple[Array, Array]:
    """Return the pixels of sky positions, good to 1e-6 pixels.

    Parameters
    ----------
    wcs
        WCS of the frame, distortion included.
    ra_deg, dec_deg : (n,), degrees
        Positions on the sky.

    Returns
    -------
    x, y : (n,), pixels
        Zero-based.
    """
    if not len(ra_deg):
        return np.zeros(0), np.zeros(0)
    x, y = wcs.all_world2pix(ra_deg, dec_deg, 0, tolerance=1e-7, maxiter=40)
    return x, y


def to_sky(wcs: WCS, x: Array, y: Array) -> tuple[Array, Array]:
    """Return the sky positions of pixels.

    Parameters
    ----------
    wcs
        WCS of the frame, distortion included.
    x, y : (n,), pixels
        Zero-based.

    Returns
    -------
    ra, dec : (n,), degrees
        Positions on the sky.
    """
    if not len(x):
        return np.zeros(0), np.zeros(0)
    ra, dec = wcs.all_pix2world(x, y, 0)
    return ra, dec
