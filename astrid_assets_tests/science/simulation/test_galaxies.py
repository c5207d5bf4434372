"""Galaxies keep their flux and move over the pixels without changing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.science.simulation.catalogue import GalaxyCatalogue
from astrid_assets.science.simulation.galaxies import (
    BULGE,
    DISK,
    paint_galaxies,
    surface_brightness_e,
)
from astrid_assets.science.simulation.point_spread import PsfField

SHAPE = (160, 160)
PSF = PsfField(frame_shape=SHAPE, fwhm_px=2.6)


def _galaxy(**changes: float) -> GalaxyCatalogue:
    galaxy = GalaxyCatalogue(
        x=np.zeros(1),
        y=np.zeros(1),
        ra_deg=np.zeros(1),
        dec_deg=np.zeros(1),
        flux_e=np.array([5e4]),
        radius_px=np.array([5.0]),
        axis_ratio=np.array([0.5]),
        angle_rad=np.array([0.6]),
        bulge_fraction=np.array([0.3]),
    )
    return replace(galaxy, **{name: np.array([v]) for name, v in changes.items()})


def _painted(galaxy: GalaxyCatalogue, x: float, y: float) -> np.ndarray:
    image = np.zeros(SHAPE, np.float32)
    paint_galaxies(image, np.array([x]), np.array([y]), galaxy, PSF.model(), 0.8)
    return image


@pytest.mark.parametrize("radius_px", [0.8, 2.0, 5.0])
def test_the_flux_on_the_frame_is_the_flux_times_the_transparency(radius_px):
    image = _painted(_galaxy(radius_px=radius_px), 80.3, 79.6)
    assert image.sum(dtype=float) == pytest.approx(4e4, rel=5e-3)


def test_a_shift_by_part_of_a_pixel_only_moves_the_galaxy():
    small = _galaxy(radius_px=1.2, bulge_fraction=1.0, flux_e=2e4)
    fixed, moved = _painted(small, 80.0, 80.0), _painted(small, 80.4, 80.0)
    frequency = np.fft.fftfreq(SHAPE[1])[None, :]
    shifted = np.fft.ifft2(np.fft.fft2(fixed) * np.exp(-2j * np.pi * frequency * 0.4))
    assert np.abs(shifted.real - moved).max() < 3e-3 * fixed.max()


def test_half_of_the_light_of_a_disk_is_within_its_half_light_radius():
    sigma, weight = np.array(DISK).T
    within = (weight * (1 - np.exp(-0.5 / sigma**2))).sum()
    assert weight.sum() == pytest.approx(1, abs=1e-3)
    assert within == pytest.approx(0.5, abs=0.01)
    assert np.array(BULGE)[:, 1].sum() == pytest.approx(1, abs=1e-3)


def test_the_surface_brightness_is_that_of_the_painted_galaxy():
    round_one = _galaxy(axis_ratio=1.0)
    image = _painted(round_one, 80.0, 80.0)
    for distance in (0, 3, 8):
        predicted = 0.8 * surface_brightness_e(round_one, 0, distance, 2.6 / 2.355)
        # A Gaussian stands in for the PSF: the core is a fifth too bright.
        assert image[80, 80 + distance] == pytest.approx(predicted, rel=0.25)
