"""What differs from frame to frame: seeing, clouds, moonlight, pointing, mishaps.

`conditions` is a pure function of plan, night and index; nothing is drawn twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from astrid_assets.science.simulation.point_spread import PsfField
from astrid_assets.science.simulation.scene import QUIET_NIGHTS

if TYPE_CHECKING:
    from astrid_assets.science.simulation.scene import SimulationPlan

Mishap = Literal["", "clouds", "defocused", "trailed", "pickup"]

START_OF_NIGHT_DAYS = 2.0 / 24
"""The first exposure of a night starts at 02:00 UTC."""

# Nights (counted from 0, repeating) on which something goes wrong. The first
# repetition falls into the twelve nights of the demonstration.
CLOUDY_NIGHT, CLOUD_PERIOD = 6, 9
DEFOCUSED_NIGHT, TRAILED_NIGHT, PICKUP_NIGHT, MISHAP_PERIOD = 4, 8, 10, 13


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Everything about one exposure that is not in the sky.

    `sky_e` is the level in the middle, `sky_slope` its relative change along
    (u, v) from middle to edge; `dcr_px` the shift of a star of unit colour by the
    atmosphere; `blur_px` the size of a defocus or a tracking error.
    """

    start_mjd: float
    mid_mjd: float
    psf: PsfField
    transparency: float
    sky_e: float
    sky_slope: tuple[float, float]
    shift_px: tuple[float, float]
    turn_deg: float
    dcr_px: tuple[float, float]
    airmass: float
    mishap: Mishap
    blur_px: float = 0.0
    blur_angle_deg: float = 0.0


def start_mjd(plan: SimulationPlan, night: int, index: int) -> float:
    """Return the start of an exposure.

    Parameters
    ----------
    plan
        The survey.
    night, index
        Night of the survey and frame of the night, both from 0.

    Returns
    -------
    mjd : days, UTC
        The first exposure starts at 02:00.
    """
    # Shorter gaps when many frames must fit between 02:00 and 22:00.
    longest = 20 * 3600 / plan.frames_per_night
    gap = min(plan.scene.cadence_s, longest)
    return plan.first_mjd + night + START_OF_NIGHT_DAYS + index * gap / 86_400


def mid_mjd(plan: SimulationPlan, night: int, index: int) -> float:
    """Return the middle of an exposure.

    Parameters
    ----------
    plan
        The survey.
    night, index
        Night of the survey and frame of the night, both from 0.

    Returns
    -------
    mjd : days, UTC
        Half of the exposure time after its start.
    """
    return start_mjd(plan, night, index) + plan.scene.exposure_s / 2 / 86_400


def mishap_of(night: int, index: int, frames: int) -> Mishap:
    """Return what went wrong with a frame; never in the quiet nights.

    Parameters
    ----------
    night, index
        Night of the survey and frame of the night, both from 0.
    frames
        Frames per night.

    Returns
    -------
    mishap
        Empty when all is well.
    """
    if night < QUIET_NIGHTS:
        return ""
    if night % CLOUD_PERIOD == CLOUDY_NIGHT:
        return "clouds"
    of_period = night % MISHAP_PERIOD
    if of_period == DEFOCUSED_NIGHT and index == min(1, frames - 1):
        return "defocused"
    if of_period == TRAILED_NIGHT and index == 0:
        return "trailed"
    if of_period == PICKUP_NIGHT and index == frames - 1:
        return "pickup"
    return ""


def conditions(plan: SimulationPlan, night: int, index: int) -> Conditions:
    """Return the conditions of one exposure.

    Parameters
    ----------
    plan
        The survey.
    night, index
        Night of the survey and frame of the night, both from 0.

    Returns
    -------
    conditions
        The same for the same arguments.
    """
    scene = plan.scene
    of_night = plan.rng("night", night)
    night_seeing, moon = of_night.normal(0, 0.7), of_night.uniform(0.85, 1.7)
    tilt = of_night.normal(0, 0.02, 2)
    rng = plan.rng("frame", night, index)
    median, scatter = scene.seeing_px
    if night < QUIET_NIGHTS:
        # The reference is made on good nights.
        night_seeing, moon = -0.4 + 0.3 * night_seeing, min(moon, 1.1)
    spread = scatter * (night_seeing + rng.normal(0, 0.5))
    fwhm = float(np.clip(median * np.exp(spread), *scene.seeing_limits_px))
    mishap = mishap_of(night, index, plan.frames_per_night)
    transparency = 1 - abs(rng.normal(0, 0.03))
    if mishap == "clouds":
        # Thickening clouds: the first frames are usable, the last is not.
        share = (index + 1) / plan.frames_per_night
        transparency = 0.72 - 0.58 * share + rng.normal(0, 0.02)
        moon *= 1.3
    blur = {"defocused": 3.2 * fwhm, "trailed": 3.5 * fwhm}.get(mishap, 0.0)
    start = start_mjd(plan, night, index)
    airmass = 1.05 + 0.5 * abs(np.sin((start % 1 - 0.2) * 6)) + rng.uniform(0, 0.02)
    dcr = rng.normal(0, 0.012) + 0.05 * (airmass - 1.2)
    parallactic = np.deg2rad(35 + 80 * (start % 1))
    slopes = rng.normal(((0.018, 0.004), (-0.006, 0.016)), 0.012)
    e1, e2 = np.clip(rng.normal(0, 0.018, 2), -0.05, 0.05)
    dx, dy = np.clip(rng.normal(0, 3.0, 2), -8, 8)
    return Conditions(
        start_mjd=start,
        mid_mjd=mid_mjd(plan, night, index),
        psf=PsfField(
            frame_shape=plan.shape,
            fwhm_px=fwhm,
            ellipticity=(float(e1), float(e2)),
            fwhm_slope=(float(rng.normal(0.01, 0.01)), float(rng.normal(0, 0.01))),
            fwhm_bowl=float(abs(rng.normal(0.025, 0.012))),
            ellipticity_slope=(
                (float(slopes[0, 0]), float(slopes[0, 1])),
                (float(slopes[1, 0]), float(slopes[1, 1])),
            ),
        ),
        transparency=float(max(transparency, 0.08)),
        sky_e=float(scene.sky_e * moon * (1 + rng.normal(0, 0.03))),
        sky_slope=(float(tilt[0] + rng.normal(0, 0.004)), float(tilt[1])),
        shift_px=(float(dx), float(dy)),
        turn_deg=float(rng.normal(0, 0.03)),
        dcr_px=(float(dcr * np.cos(parallactic)), float(dcr * np.sin(parallactic))),
        airmass=float(airmass),
        mishap=mishap,
        blur_px=blur,
        blur_angle_deg=float(rng.uniform(0, 180)),
    )
