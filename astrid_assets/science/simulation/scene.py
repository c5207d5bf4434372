"""The simulated telescopes: two scenes, and a plan that pins one survey down.

Numbers only, with units; what is made of them is in the neighbouring modules.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

QUIET_NIGHTS = 3
"""Nights at the start with few transients and good weather: the reference's."""

FULL_AREA_PX = 768 * 768
"""Populations are given for frames of this area and scale with it."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One telescope and the sky it looks at; counts are per `FULL_AREA_PX`."""

    name: str
    band: str
    ra_deg: float
    dec_deg: float
    rotation_deg: float
    pixel_scale_arcsec: float
    exposure_s: float
    cadence_s: float
    zero_point_mag: float
    """Magnitude of 1 electron per second through a clear sky."""
    sky_mag_arcsec2: float
    seeing_px: tuple[float, float]
    """Median FWHM and its scatter in the natural logarithm."""
    seeing_limits_px: tuple[float, float]
    stars: int
    star_mag: tuple[float, float]
    counts_slope: float
    bright_stars: int
    """Stars up to 3.5 magnitudes above saturation, added to the rest."""
    galaxies: int
    galaxy_mag: tuple[float, float]
    variables: int
    supernova_hosts: int
    asteroids: int
    asteroid_arcsec_per_hour: tuple[float, float]
    cosmic_rays: int
    distortion_px: float
    """Cubic distortion in the corner of a full frame."""
    gain_e_per_adu: float
    read_noise_e: float
    full_well_e: float
    bias_adu: float
    dark_e_per_s: float
    crosstalk: float
    """Share of a pixel's charge that its mirror pixel shows, of either sign."""

    @property
    def zero_point_total_mag(self) -> float:
        """Magnitude of 1 electron in the whole exposure."""
        return self.zero_point_mag + 2.5 * float(np.log10(self.exposure_s))

    @property
    def sky_e(self) -> float:
        """Dark-time sky, electrons per pixel and exposure."""
        brightness = 10 ** (-0.4 * (self.sky_mag_arcsec2 - self.zero_point_mag))
        return float(brightness * self.pixel_scale_arcsec**2 * self.exposure_s)

    @property
    def saturation_adu(self) -> float:
        """Level that the header gives: just below the full well."""
        return float(round(0.985 * self.full_well_e / self.gain_e_per_adu))


WIDE = Scene(
    name="wide",
    band="r",
    ra_deg=187.42,
    dec_deg=11.85,
    rotation_deg=1.4,
    pixel_scale_arcsec=1.0,
    exposure_s=60.0,
    cadence_s=1500.0,
    zero_point_mag=22.8,
    sky_mag_arcsec2=20.6,
    seeing_px=(3.1, 0.14),
    seeing_limits_px=(2.5, 4.5),
    stars=1700,
    star_mag=(10.8, 21.3),
    counts_slope=0.30,
    bright_stars=6,
    galaxies=140,
    galaxy_mag=(15.0, 20.5),
    variables=24,
    supernova_hosts=58,
    asteroids=7,
    asteroid_arcsec_per_hour=(14.0, 38.0),
    cosmic_rays=42,
    distortion_px=1.6,
    gain_e_per_adu=1.5,
    read_noise_e=7.0,
    full_well_e=88_000.0,
    bias_adu=1010.0,
    dark_e_per_s=0.08,
    crosstalk=9e-4,
)

DEEP = Scene(
    name="deep",
    band="i",
    ra_deg=53.12,
    dec_deg=-27.8,
    rotation_deg=-2.2,
    pixel_scale_arcsec=0.4,
    exposure_s=150.0,
    cadence_s=1800.0,
    zero_point_mag=24.6,
    sky_mag_arcsec2=20.9,
    seeing_px=(2.9, 0.15),
    seeing_limits_px=(2.3, 4.4),
    stars=650,
    star_mag=(13.6, 24.3),
    counts_slope=0.22,
    bright_stars=4,
    galaxies=620,
    galaxy_mag=(16.8, 23.8),
    variables=20,
    supernova_hosts=60,
    asteroids=6,
    asteroid_arcsec_per_hour=(4.0, 12.0),
    cosmic_rays=66,
    distortion_px=0.9,
    gain_e_per_adu=1.8,
    read_noise_e=5.0,
    full_well_e=105_000.0,
    bias_adu=1240.0,
    dark_e_per_s=0.03,
    crosstalk=-7e-4,
)

SCENES = {scene.name: scene for scene in (WIDE, DEEP)}


@dataclass(frozen=True, kw_only=True)
class SimulationPlan:
    """One simulated survey; hashable, so that what hangs on it can be cached.

    `first_mjd` is the midnight (UTC) that begins the first night.
    """

    scene_name: Literal["wide", "deep"]
    seed: int
    shape: tuple[int, int]
    frames_per_night: int
    first_mjd: float

    @cached_property
    def scene(self) -> Scene:
        """The telescope."""
        return SCENES[self.scene_name]

    def count(self, per_full_area: float, *, least: int = 1) -> int:
        """Scale a population to the area of the frame.

        Parameters
        ----------
        per_full_area
            Number on a frame of `FULL_AREA_PX`.
        least
            Lowest number returned.

        Returns
        -------
        count
            At least `least`.
        """
        ny, nx = self.shape
        return max(least, round(per_full_area * ny * nx / FULL_AREA_PX))

    def rng(self, what: str, *numbers: int) -> np.random.Generator:
        """Return the random numbers of one named purpose: streams never mix.

        Parameters
        ----------
        what
            The purpose.
        *numbers
            Night, frame or number within the purpose.

        Returns
        -------
        rng
            Fresh at each call: the same numbers for the same seed and arguments.
        """
        name = zlib.crc32(f"{self.scene_name}/{what}".encode())
        return np.random.default_rng([self.seed, name, *numbers])
