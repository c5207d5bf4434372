"""A real event, subtracted: the microlensing of KB13475 (SAAO 1.0 m; MIT, pyDIA).

The frames go through the chain of a night: measured, solved by star patterns on one
frame's anchor, subtracted. The event is detected on one frame, and its flux read at
that place of the sky on all of them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.science.detection.sources import detect
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.photometry.forced_photometry import forced_fluxes
from astrid_assets.science.processing.anchor import make_anchor
from astrid_assets.science.processing.measuring import measure_frame
from astrid_assets.science.processing.solving import solve_frame
from astrid_assets.science.settings import ProcessingSettings
from benchmarks.drawing import saao, save

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from astrid_assets.science.differencing.difference import Difference
    from astrid_assets.science.frame import Frame
    from benchmarks.figures import Figures

REFERENCE = "reference/kb13475_i0177.fits"
BRIGHT = "science/kb13475_i0097.fits"
GAIN_E_PER_ADU = 1.9
SEARCH_PX = 2.0  # the table's places are good to a third of a pixel
HALF_PX = 64  # of what is shown around the event
DPI = 100
SCORE_SHOWN = 12.0  # sigma
OURS, THEIRS, MARK = "#0072B2", "#D55E00", "#E69F00"  # told apart by everybody
EVENT = "a microlensing event in the Galactic bulge, SAAO 1.0 m"
THE_NIGHT_MJD = 56507.0  # 3 August 2013


@dataclass(frozen=True)
class Subtracted:
    """One frame of the series and what is left of it."""

    row: dict[str, str]
    frame: Frame
    difference: Difference


@lru_cache(maxsize=1)
def series(data: Path) -> list[Subtracted]:
    """Subtract the reference from every other frame, oldest first."""
    folder = data / "saao_microlensing"
    with (folder / "frames.csv").open() as file:
        rows = sorted(csv.DictReader(file), key=lambda row: float(row["mjd_start"]))
    settings = ProcessingSettings(wcs="stars")
    measured = {
        row["file"]: measure_frame(
            replace(
                saao(data, row["file"]),
                observed_mjd=float(row["mjd_start"]),
                exposure_s=float(row["exptime_s"]),
                read_noise_e=5.0,
            ),
            None,
            settings,
        )
        for row in rows
    }
    anchor = make_anchor(measured[REFERENCE], settings)
    solved = {name: solve_frame(one, anchor, settings).frame for name, one in measured.items()}
    return [
        Subtracted(
            row,
            solved[row["file"]],
            subtract(solved[row["file"]], solved[REFERENCE], DifferencingSettings()),
        )
        for row in rows
        if row["file"] != REFERENCE
    ]


def event_place(all_frames: list[Subtracted]) -> tuple[float, float, Subtracted]:
    """Return where we detect the event on its bright frame (x, y), and that frame."""
    bright = next(one for one in all_frames if one.row["file"] == BRIGHT)
    x, y = float(bright.row["target_x0"]), float(bright.row["target_y0"])
    near = [
        c
        for c in detect(bright.difference, bright.frame, DetectionSettings())
        if c.is_kept and np.hypot(c.x - x, c.y - y) < SEARCH_PX
    ]
    return near[0].x, near[0].y, bright


def triplet(data: Path, out: Path, figures: Figures) -> None:
    """Science, reference, difference and score around the event."""
    x, y, one = event_place(series(data))
    difference = one.difference
    left, bottom = round(x) - HALF_PX, round(y) - HALF_PX
    here = np.s_[bottom : bottom + 2 * HALF_PX, left : left + 2 * HALF_PX]
    hidden = (difference.mask[here] & UNUSABLE) != 0
    sigma = difference.sky_rms_e
    figure = Figure(figsize=(12.6, 3.5), dpi=DPI, layout="constrained")
    panels = figure.subplots(1, 4)
    stars = (
        (one.frame.data, "science, 3 August 2013"),
        (difference.registered_reference, "reference, 9 August, registered"),
    )
    for axes, (image, title) in zip(panels[:2], stars, strict=True):
        grey = 0.2 + 0.8 * np.arcsinh(image[here] / (2 * sigma)) / np.arcsinh(100)
        axes.imshow(grey, cmap="gray", vmin=0, vmax=1, origin="lower")
        axes.set_title(title, fontsize=10)
    panels[2].imshow(
        np.where(hidden, 0, difference.d[here]),
        cmap="gray",
        vmin=-12 * sigma,
        vmax=12 * sigma,
        origin="lower",
    )
    panels[2].set_title("difference D", fontsize=10)
    shown = panels[3].imshow(
        np.ma.masked_where(hidden, difference.score[here]),
        cmap="PuOr_r",
        vmin=-SCORE_SHOWN,
        vmax=SCORE_SHOWN,
        origin="lower",
    )
    panels[3].set_facecolor("0.75")
    at = round(y), round(x)
    significance = float(difference.score[at])
    figures.add(EVENT, "bright frame", "significance", significance, "σ")
    panels[3].set_title(f"S_corr (event {significance:.0f} σ, masked grey)", fontsize=10)
    figure.colorbar(shown, ax=panels[3], shrink=0.85, label="σ")
    for axes in panels:
        axes.add_patch(Circle((x - left, y - bottom), 10, fill=False, color=MARK, linewidth=2))
        axes.set_xticks([])
        axes.set_yticks([])
    save(figure, out / "triplet.png", colours=256)


@dataclass(frozen=True)
class LightCurve:
    """Our fluxes in counts of the reference, and what was published; (n,)."""

    mjd: np.ndarray
    flux: np.ndarray
    error: np.ndarray
    published: np.ndarray

    @property
    def scale(self) -> float:
        """Our counts per published one: those are smoothed peaks."""
        return float((self.flux @ self.published) / (self.published @ self.published))

    @property
    def r(self) -> float:
        """Correlation of both."""
        return float(np.corrcoef(self.flux, self.published)[0, 1])


def light_curve(data: Path) -> LightCurve:
    """Measure the event at one place of the sky on every frame."""
    frames = series(data)
    x, y, bright = event_place(frames)
    sky = bright.difference.wcs.all_pix2world(x, y, 0)
    points = []
    for one in frames:
        d = one.difference
        place = [np.atleast_1d(v) for v in d.wcs.all_world2pix(*sky, 0)]
        found = forced_fluxes(d.score, d.flux_err, d.mask, place[0], place[1])
        unit = d.flux_ratio * GAIN_E_PER_ADU
        points.append(
            (
                float(one.row["mjd_start"]) + float(one.row["exptime_s"]) / 2 / 86400,
                found.flux_e[0] / unit,
                found.flux_err_e[0] / unit,
                float(one.row["target_flux_change_vs_baseline"]),
            )
        )
    return LightCurve(*np.array(points).T)


def microlensing(data: Path, out: Path, figures: Figures) -> None:
    """Our forced fluxes of the event beside the published ones."""
    curve = light_curve(data)
    figures.add(EVENT, "forced light curve", "frames", len(curve.mjd))
    figures.add(EVENT, "forced light curve", "correlation with the published", curve.r)
    figure = Figure(figsize=(9, 3.6), dpi=DPI, layout="constrained")
    whole, night = figure.subplots(1, 2, width_ratios=(3, 2), sharey=True)
    _draw_curve(whole, curve, curve.mjd, curve.mjd > 0)
    hours = 24 * (curve.mjd - THE_NIGHT_MJD)
    _draw_curve(night, curve, hours, (hours > 0) & (hours < 24))
    whole.set_title(f"KB13475, SAAO 1.0 m: {len(curve.mjd)} frames, r = {curve.r:.4f}", fontsize=10)
    whole.set_xlabel("MJD of mid-exposure")
    night.set_title("as it leaves the caustic", fontsize=10)
    night.set_xlabel("hours UTC, 3 August 2013")
    whole.set_ylabel("flux above the reference, 1000 counts")
    whole.legend(fontsize=9, loc="upper left")
    save(figure, out / "microlensing.png")


def _draw_curve(axes: Axes, curve: LightCurve, time: np.ndarray, chosen: np.ndarray) -> None:
    axes.axhline(0, color="0.7", linewidth=0.8)
    axes.plot(
        time[chosen],
        curve.scale * curve.published[chosen] / 1000,
        "s",
        ms=9,
        mfc="none",
        color=THEIRS,
        label="published: smoothed peaks, scaled",
    )
    axes.errorbar(
        time[chosen],
        curve.flux[chosen] / 1000,
        curve.error[chosen] / 1000,
        fmt="o",
        ms=4,
        color=OURS,
        capsize=2,
        label="AstrID: forced PSF flux ± error",
    )
    axes.tick_params(labelsize=8)
