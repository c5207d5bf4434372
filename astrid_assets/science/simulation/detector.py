"""The simulated detector: bias, dark current, flat field, full well and read-out.

`*_map` functions describe the detector (cached per plan, read-only); `draw_electrons` and
`read_out` turn expected photo-electrons into digits. Charge is in electrons.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from astrid_assets.science.simulation.painting import deposit
from astrid_assets.science.simulation.scene import QUIET_NIGHTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.simulation.scene import SimulationPlan

CalibrationKind = Literal["bias", "dark", "flat"]

FLAT_LEVEL_E = 32_000.0
HOT_PIXELS, DEAD_PIXELS, DUST_RINGS = 260, 25, 9
NEW_HOT_PIXELS_PER_NIGHT = 5.0
"""Pixels that turned hot after the masters were made, per full frame and night."""

HOT_COLUMN_NIGHT = 5
"""From this night on one column is hot: no master knows it."""

ADC_MAX = 65_535


def _frozen(image: Image) -> Image:
    image.setflags(write=False)
    return image


@lru_cache(maxsize=4)
def bias_map(plan: SimulationPlan) -> Image:
    """Return the bias without noise: a pedestal, column offsets and a slow ramp.

    Parameters
    ----------
    plan
        The survey.

    Returns
    -------
    bias : (ny, nx), electrons
        Read-only; the same for the whole survey.
    """
    rng, scene = plan.rng("bias"), plan.scene
    ny, nx = plan.shape
    columns = rng.normal(0, 1.2, nx)
    ramp = 4.0 * np.exp(-np.arange(ny) / 60.0)
    level = scene.bias_adu * scene.gain_e_per_adu
    return _frozen((level + columns[None, :] + ramp[:, None]).astype(np.float32))


@lru_cache(maxsize=4)
def dark_map(plan: SimulationPlan) -> Image:
    """Return the dark current, hot pixels and amplifier glow included.

    Parameters
    ----------
    plan
        The survey.

    Returns
    -------
    dark : (ny, nx), electrons per second
        Read-only; the same for the whole survey.
    """
    rng, scene = plan.rng("dark"), plan.scene
    ny, nx = plan.shape
    dark = np.full(plan.shape, scene.dark_e_per_s, np.float32)
    # Amplifier glow in one corner.
    v, u = np.ogrid[:ny, :nx]
    glow = np.exp(-(np.hypot(u - nx, v - ny) / (0.12 * nx)))
    dark += (3 * scene.dark_e_per_s * glow).astype(np.float32)
    n = plan.count(HOT_PIXELS)
    rows, columns = rng.integers(0, ny, n), rng.integers(0, nx, n)
    dark[rows, columns] += 10 ** rng.uniform(0.0, 2.2, n)
    return _frozen(dark)


@lru_cache(maxsize=4)
def dead_pixels(plan: SimulationPlan) -> NDArray[np.bool_]:
    """Return pixels of hardly any response: singles and one partial column.

    Parameters
    ----------
    plan
        The survey.

    Returns
    -------
    dead : (ny, nx)
        True where dead; read-only, the same for the whole survey.
    """
    rng = plan.rng("dead")
    ny, nx = plan.shape
    dead = np.zeros(plan.shape, bool)
    n = plan.count(DEAD_PIXELS)
    dead[rng.integers(0, ny, n), rng.integers(0, nx, n)] = True
    dead[: int(ny * rng.uniform(0.15, 0.5)), rng.integers(nx // 10, nx)] = True
    dead.setflags(write=False)
    return dead


@lru_cache(maxsize=4)
def flat_map(plan: SimulationPlan) -> Image:
    """Return the response relative to the median: vignetting, dust, pixels.

    Parameters
    ----------
    plan
        The survey.

    Returns
    -------
    flat : (ny, nx)
        Median 1; read-only, the same for the whole survey.
    """
    rng = plan.rng("flat")
    ny, nx = plan.shape
    v, u = np.ogrid[:ny, :nx]
    r2 = ((u - 0.52 * nx) / (nx / 2)) ** 2 + ((v - 0.47 * ny) / (ny / 2)) ** 2
    flat = 1 - 0.07 * r2 - 0.015 * r2**2
    for _ in range(plan.count(DUST_RINGS)):
        x, y = rng.uniform(0, nx), rng.uniform(0, ny)
        radius, depth = rng.uniform(9, 26), rng.uniform(0.01, 0.05)
        r = np.hypot(u - x, v - y) / radius
        # Out-of-focus dust: the shadow of an annular pupil.
        flat *= 1 - depth * (_soft_step(r - 1) - 0.8 * _soft_step(r - 0.42))
    flat *= 1 + rng.normal(0, 0.006, plan.shape)
    flat[dead_pixels(plan)] = 0.03
    return _frozen((flat / np.median(flat)).astype(np.float32))


def _soft_step(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(np.clip(x / 0.06, -50, 50)))


def new_hot_pixels_e(plan: SimulationPlan, night: int) -> Image:
    """Return the charge of defects that appeared after the masters were made.

    Parameters
    ----------
    plan
        The survey.
    night
        From 0; every night adds hot pixels, and from `HOT_COLUMN_NIGHT` on a column is hot.

    Returns
    -------
    charge : (ny, nx), electrons per exposure
        Hot pixels flicker: a quarter of them is quiet on any night.
    """
    extra = np.zeros(plan.shape, np.float32)
    ny, nx = plan.shape
    for born in range(1, night + 1):
        rng = plan.rng("new hot pixels", born)
        n = rng.poisson(NEW_HOT_PIXELS_PER_NIGHT * ny * nx / 768**2)
        rows, columns = rng.integers(2, ny - 2, n), rng.integers(2, nx - 2, n)
        charge = 10 ** rng.uniform(2.2, 4.0, n)
        width = np.where(rng.uniform(size=n) < 0.3, rng.uniform(0.45, 0.8, n), 0.2)
        # They flicker: on some nights they are quiet.
        tonight = plan.rng("flicker", born, night).uniform(size=n) < 0.75
        for i in np.flatnonzero(tonight):
            # A defect deep in the silicon lights up a small group of pixels.
            deposit(extra, float(columns[i]), float(rows[i]), charge[i], width[i])
    if night >= max(HOT_COLUMN_NIGHT, QUIET_NIGHTS):
        rng = plan.rng("hot column")
        top = int(ny * rng.uniform(0.3, 0.7))
        extra[top:, rng.integers(nx // 5, nx - nx // 5)] += (
            0.35 * np.sqrt(plan.scene.sky_e) * rng.uniform(4, 8)
        )
    return extra


def draw_electrons(
    expected_e: Image, rng: np.random.Generator
) -> NDArray[np.float64] | NDArray[np.int64]:
    """Draw the photo-electrons of every pixel.

    Parameters
    ----------
    expected_e : (ny, nx), electrons
        Expected numbers; negative ones count as 0.
    rng
        Draws the Poisson noise.

    Returns
    -------
    electrons : (ny, nx)
        Whole numbers.
    """
    return rng.poisson(np.maximum(expected_e, 0))


def bleed(charge_e: Image, full_well_e: float) -> NDArray[np.bool_]:
    """Spread charge above the full well along its column, in place.

    Half of the excess goes up, half down, and fills one pixel after another; what
    runs over the edge is lost.

    Parameters
    ----------
    charge_e : (ny, nx), electrons
        Changed in place.
    full_well_e : electrons
        Most that a pixel holds.

    Returns
    -------
    saturated : (ny, nx)
        Pixels that are full afterwards.
    """
    for column in np.flatnonzero((charge_e > full_well_e).any(axis=0)):
        line = charge_e[:, column]
        for step in (1, -1):
            moving = line if step == 1 else line[::-1]
            carried = 0.0
            first = int(np.argmax(moving > full_well_e))
            for row in range(first, moving.size):
                over = moving[row] - full_well_e
                if over > 0:
                    # The first pass takes half of it up, the second the rest down.
                    share = 0.5 * over if step == 1 else over
                    moving[row] -= share
                    carried += share
                elif carried > 0:
                    taken = min(carried, -over)
                    moving[row] += taken
                    carried -= taken
    return charge_e >= full_well_e * (1 - 1e-6)


def add_crosstalk(plan: SimulationPlan, charge_e: Image, sky_e: float) -> Image:
    """Return the charge with the faint mirror image of the other amplifier's half.

    Parameters
    ----------
    plan
        The survey: the fraction that crosses over.
    charge_e : (ny, nx), electrons
        Charge in the pixels.
    sky_e : electrons per pixel
        Level of the sky, whose crosstalk is left out.

    Returns
    -------
    charge : (ny, nx), electrons
        A new image.
    """
    copy = np.float32(plan.scene.crosstalk) * (charge_e[:, ::-1] - np.float32(sky_e))
    return (charge_e + copy).astype(np.float32, copy=False)


def read_out(plan: SimulationPlan, charge_e: Image, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Add bias and read noise and digitise.

    Parameters
    ----------
    plan
        The survey: bias, read noise and gain.
    charge_e : (ny, nx), electrons
        Charge in the pixels.
    rng
        Draws the read noise.

    Returns
    -------
    adu : (ny, nx), ADU
        Clipped to 0 and `ADC_MAX`.
    """
    scene = plan.scene
    noise = rng.standard_normal(plan.shape, dtype=np.float32)
    volts = charge_e + bias_map(plan) + np.float32(scene.read_noise_e) * noise
    adu = np.rint(volts / np.float32(scene.gain_e_per_adu))
    return np.clip(adu, 0, ADC_MAX).astype(np.uint16)


def calibration_adu(plan: SimulationPlan, kind: CalibrationKind, index: int) -> NDArray[np.uint16]:
    """Return one raw calibration frame.

    Parameters
    ----------
    plan
        The survey.
    kind
        Bias, dark (of the light frames' exposure) or flat (of a twilight level that differs
        from frame to frame).
    index
        Number of the frame within its kind; decides its noise.

    Returns
    -------
    adu : (ny, nx), ADU
        As read out.
    """
    rng = plan.rng(kind, index)
    charge = np.zeros(plan.shape, np.float32)
    if kind == "dark":
        charge = dark_map(plan) * np.float32(plan.scene.exposure_s)
    elif kind == "flat":
        # Twilight: each one has another level.
        charge = flat_map(plan) * np.float32(FLAT_LEVEL_E * rng.uniform(0.8, 1.15))
    return read_out(plan, draw_electrons(charge, rng).astype(np.float32), rng)
