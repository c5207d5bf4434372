"""Exposures of one simulated field: each of its own noise, seeing, transparency."""

from __future__ import annotations

import numpy as np
from astropy.wcs import WCS

from astrid_assets.science.frame import Frame
from astrid_assets.science.simulation.painting import paint_stars
from astrid_assets.science.simulation.point_spread import PsfField

SHAPE = (384, 384)
SKY_E, READ_NOISE_E = 400.0, 10.0
STARS_PER_PX = 0.0025


def turned_wcs(shape, shift, turn_deg):
    """A star of the first frame, turned about the middle and shifted, is at home."""
    angle = np.deg2rad(turn_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 2.0]
    wcs.wcs.crpix = np.array(shape[::-1]) / 2 + 0.5 + np.array(shift)
    wcs.wcs.cd = np.diag([-1, 1]) / 3600 @ turn.T
    wcs.wcs.set()
    return wcs, turn


def exposure(number, place, shape=SHAPE, seed=3, draw=0):
    """One frame of a sky: of its own noise, seeing and transparency.

    `place` is the frame's shift along x and y in pixels and its turn in degrees;
    another `draw` is the same exposure with other noise.
    """
    # Frames of one random stream would share noise: what a Poisson draw takes from
    # the stream depends little on its mean. Only the stars are common to all.
    sky = np.random.default_rng(seed)
    noise = np.random.default_rng([seed, number, draw])
    middle = (np.array(shape[::-1]) - 1) / 2
    n = round(STARS_PER_PX * 4 * shape[0] * shape[1])
    at = sky.uniform(-2, 2, (n, 2)) * middle
    flux = 150 * sky.uniform(size=n) ** (-1 / 0.875)
    wcs, turn = turned_wcs(shape, place[:2], place[2])
    x, y = (at @ turn.T + middle + place[:2]).T
    transparency = 1 - 0.1 * (number % 4)
    field = PsfField(frame_shape=shape, fwhm_px=2.8 + 0.05 * number)
    clean = np.zeros(shape, np.float32)
    paint_stars(clean, x, y, np.minimum(flux, 2e5) * transparency, field)
    electrons = noise.poisson(clean + SKY_E) + noise.normal(0, READ_NOISE_E, shape)
    return Frame(
        frame_id=f"f{number}",
        data=(electrons - SKY_E).astype(np.float32),
        mask=np.zeros(shape, np.uint16),
        variance=(clean + SKY_E + READ_NOISE_E**2).astype(np.float32),
        wcs=wcs,
        observed_mjd=60700.0 + number / 100,
        exposure_s=60.0,
        band="r",
        zero_point_mag=25 + 2.5 * np.log10(transparency),
        psf=field.model(),
        sky_rms_e=float(np.sqrt(SKY_E + READ_NOISE_E**2)),
    )
