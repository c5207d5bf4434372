"""Pairs of known truth for `sensitivity`: the cases, and forgetting what is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.processing.measuring import measure_frame
from astrid_assets.science.psf.fitting import fit_psf
from astrid_assets.science.settings import ProcessingSettings
from astrid_assets.science.simulation.pair import SimulatedPair, simulate_pair
from astrid_assets.science.sky.background import measure_background
from astrid_assets.science.stars.measurement import measure_stars

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.frame import Frame

SHAPE = (1024, 1024)
TRANSIENTS = 90
SKY_E = 400.0
STACKED = 6  # exposures in the reference
STACK_MESH_PX = 64  # a deep stack of a crowded field fills larger meshes with stars
BLIND_OFFSET_PX = (0.21, -0.27)  # what the header's WCS is wrong by
COSMIC_RAYS_PER_MPX = 60


class Case(TypedDict, total=False):
    """What a case changes of `simulate_pair`."""

    stars_per_mpx: float
    science_fwhm_px: float
    reference_fwhm_px: float
    science_ellipticity: tuple[float, float]
    reference_ellipticity: tuple[float, float]
    psf_variation: float
    jitter_px: float
    shift_px: tuple[float, float]
    saturation_e: float


CASES: dict[str, Case] = {
    "reference sharper": {"science_fwhm_px": 3.2, "reference_fwhm_px": 2.5},
    "science sharper": {"science_fwhm_px": 2.5, "reference_fwhm_px": 3.2},
    "crossed": {
        "science_ellipticity": (0.12, 0.0),
        "reference_ellipticity": (-0.12, 0.0),
    },
    "varying PSF": {"psf_variation": 0.10},
    "jitter": {"jitter_px": 0.15, "shift_px": (0.096, 0.072)},
    "crowded": {"stars_per_mpx": 15_000.0},
    "cosmic rays": {},
    "saturated": {"saturation_e": 15_000.0},
}


def make_pair(case: str, seed: int, shape: tuple[int, int] = SHAPE) -> SimulatedPair:
    """Simulate one pair of a case; registered unless only the stars know better."""
    share = shape[0] * shape[1] / (SHAPE[0] * SHAPE[1])
    pair = simulate_pair(
        seed,
        shape,
        n_transients=round(TRANSIENTS * share),
        snr_range=(3.0, 50.0),
        reference_exposures=STACKED,
        negative_fraction=0.0 if case == "cosmic rays" else 0.3,
        **CASES[case],
    )
    # The case's offset is one that no WCS knows of.
    science = replace(pair.science, wcs=pair.reference.wcs)
    if case == "cosmic rays":
        rng = np.random.default_rng([seed, 17])
        science = replace(science, data=science.data + cosmic_rays(rng, shape))
    return replace(pair, science=science)


def cosmic_rays(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Draw tracks: most short, energies over two decades, as thick detectors see."""
    ny, nx = shape
    light = np.zeros(shape)
    for _ in range(rng.poisson(COSMIC_RAYS_PER_MPX * ny * nx / 1e6)):
        x, y = rng.uniform(0, nx), rng.uniform(0, ny)
        angle = rng.uniform(0, 2 * np.pi)
        length = min(rng.exponential(4.0), 30.0)
        steps = max(1, int(np.ceil(length * 4)))
        each = 10 ** rng.uniform(2.2, 4.2) * max(length, 1.0) ** 0.5 / steps
        for t in np.linspace(0, length, steps):
            column, row = int(x + t * np.cos(angle)), int(y + t * np.sin(angle))
            if 0 <= column < nx and 0 <= row < ny:
                light[row, column] += each
    return light.astype(np.float32)


def blind(frame: Frame) -> Frame:
    """Forget all that the simulation told, and measure it."""
    raw = replace(
        frame,
        data=frame.data + np.float32(SKY_E),
        psf=None,
        variance=None,
        saturation_e=frame.saturation_e + SKY_E,
        sky_rms_e=None,
        zero_point_mag=None,
    )
    found = measure_frame(raw, None, ProcessingSettings()).frame
    assert frame.wcs is not None
    wcs = frame.wcs.deepcopy()
    wcs.wcs.crpix = wcs.wcs.crpix + np.array(BLIND_OFFSET_PX)
    wcs.wcs.set()
    return replace(found, wcs=wcs)


def blind_stack(frame: Frame, member_rms_e: float) -> Frame:
    """Measure a reference; a stack has its noise from that of its members."""
    bad = (frame.mask & UNUSABLE) != 0
    data = frame.data + np.float32(SKY_E)
    sky = measure_background(data, bad, STACK_MESH_PX)
    light = np.where(bad, frame.data, data - sky.level).astype(np.float32)
    variance = (member_rms_e**2 + np.maximum(light, 0)) / np.float32(STACKED)
    found = replace(
        frame,
        data=light,
        variance=variance.astype(np.float32),
        psf=None,
        sky_rms_e=member_rms_e / STACKED**0.5,
        zero_point_mag=None,
    )
    return replace(found, psf=fit_psf(found, measure_stars(found)))
