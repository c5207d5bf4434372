"""Registration against what people would use instead: time, memory and accuracy.

The same noise-free stars, put on the same rotated and shifted grid by `resample`,
SWarp (when it is installed) and `reproject_interp`; mask and variance travel with
`resample`, a weight map with SWarp, nothing with the others. Errors are the largest of
all stars.

    .venv/bin/python -m benchmarks.registration
    .venv/bin/python -m benchmarks.registration --side 4096 --fwhm 2 --keep
"""

from __future__ import annotations

import math
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from reproject import reproject_interp
from scipy.special import erf

from astrid_assets.science.arrays.threads import set_threads, threads
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.registration.resampling import pixel_mapping, resample
from astrid_assets.storage.fits.cards import data_of, header_of
from benchmarks.costs import cpu_seconds, peak_frames
from benchmarks.figures import Figures, parser_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image

Array: TypeAlias = "NDArray[np.float64]"

SIDE_PX = 2048
SCALE_DEG = 2e-4
ROUNDS = 3
STAR_SPACING_PX = 48
BOX_PX = 14  # half side of the box that a star's light is added up in
FLUX_E = 1e5
SWARP_LIMIT_S = 60.0  # some rotations make its threads wait for ever
BAD_SHARE = 0.002  # of the pixels, single ones


@dataclass(frozen=True)
class Result:
    """One way to register a frame; errors over all stars, noise-free."""

    name: str
    wall_s: float
    cpu_s: float
    frames: float
    flux_percent: float
    position_px: float
    profile_percent: float  # of the peak


@dataclass(frozen=True)
class Sky:
    """Stars on one grid, and where they must come out on the other."""

    image: Image
    wcs_from: WCS
    wcs_to: WCS
    x: Array
    y: Array
    fwhm_px: float


def main() -> None:
    """Measure every way to register."""
    parser = parser_of("registration", __doc__)
    parser.add_argument("--side", type=int, default=SIDE_PX)
    parser.add_argument("--fwhm", type=float, default=2.5)
    parser.add_argument("--angle", type=float, default=0.3)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=threads())
    figures = Figures(parser)
    options = figures.options
    set_threads(options.threads)
    sky = make_sky(options.side, options.fwhm, options.angle, options.scale)
    table = f"{options.side}², FWHM {options.fwhm} px, {options.threads} threads"
    for result in compare(sky):
        figures.add(table, result.name, "wall time", result.wall_s, "s")
        figures.add(table, result.name, "CPU time", result.cpu_s, "s")
        if math.isfinite(result.frames):
            figures.add(table, result.name, "memory", result.frames, "frames")
        figures.add(table, result.name, "flux error", result.flux_percent, "%")
        figures.add(table, result.name, "position error", result.position_px, "px")
        figures.add(table, result.name, "profile error", result.profile_percent, "% of peak")
    if not _swarp():
        figures.note("SWarp is not installed.")
    figures.finish()


def compare(sky: Sky, rounds: int = ROUNDS) -> list[Result]:
    """Run all ways in turn, so that a busy machine is as bad for each."""
    rng = np.random.default_rng(1)
    shape = sky.image.shape
    mask = np.zeros(shape, dtype=np.uint16)
    mask[rng.random(shape) < BAD_SHARE] = MaskBit.COSMIC_RAY
    variance = np.full(shape, 300, dtype=np.float32)
    empty = np.zeros_like(mask)
    with tempfile.TemporaryDirectory(prefix="astrid-swarp-", dir=_fast()) as folder:
        ways: dict[str, Callable[[], NDArray[np.floating]]] = {
            "resample": lambda: ours(sky, variance, mask),
            "reproject_interp bicubic": lambda: reprojected(sky, "bicubic"),
            "reproject_interp bilinear": lambda: reprojected(sky, "bilinear"),
        }
        if swarp := _swarp():
            prepare_swarp(Path(folder), sky, variance, mask)
            for name, extra in (
                ("SWarp LANCZOS3, resampling", ["-COMBINE", "N"]),
                ("SWarp LANCZOS3, whole run", ["-COMBINE_TYPE", "MEDIAN"]),
            ):
                ways[name] = lambda extra=extra: swarped(swarp, Path(folder), sky, extra)
        ours(sky, variance, mask)  # compile
        walls = {name: [] for name in ways}
        cpus = {name: [] for name in ways}
        images = {}
        for _ in range(rounds):
            for name, way in ways.items():
                began, cpu = time.perf_counter(), cpu_seconds()
                images[name] = way()
                walls[name].append(time.perf_counter() - began)
                cpus[name].append(cpu_seconds() - cpu)
        memory = {
            name: math.nan if name.startswith("SWarp") else peak_frames(way, math.prod(shape))
            for name, way in ways.items()
        }
    # Masked pixels lie on stars too: accuracy is that of whole stars for everybody.
    images["resample"] = ours(sky, variance, empty)
    return [
        Result(
            name,
            min(walls[name]),
            min(cpus[name]),
            memory[name],
            *errors(images[name], sky),
        )
        for name in ways
    ]


def make_sky(side: int, fwhm_px: float, angle_deg: float, scale: float) -> Sky:
    """Make pixel-integrated Gaussian stars at random phases, and two WCS."""
    rng = np.random.default_rng(7)
    wcs_from = tangent(side, 0.0, 1.0, (0.0, 0.0))
    wcs_to = tangent(side, angle_deg, scale, (7.3, -4.6))
    places = np.arange(STAR_SPACING_PX, side - STAR_SPACING_PX, STAR_SPACING_PX)
    x, y = (v.ravel() + rng.uniform(-0.5, 0.5, v.size) for v in np.meshgrid(places, places))
    image = np.zeros((side, side))
    for column, row in zip(x, y, strict=True):
        i, j = round(row), round(column)
        span = np.arange(-BOX_PX, BOX_PX + 1)
        light = np.outer(
            gaussian(span - (row - i), fwhm_px), gaussian(span - (column - j), fwhm_px)
        )
        box = np.s_[i - BOX_PX : i + BOX_PX + 1, j - BOX_PX : j + BOX_PX + 1]
        image[box] += FLUX_E * light
    to_x, to_y = wcs_to.all_world2pix(*wcs_from.all_pix2world(x, y, 0), 0)
    return Sky(image.astype(np.float32), wcs_from, wcs_to, to_x, to_y, fwhm_px / scale)


def gaussian(at: Array, fwhm_px: float) -> Array:
    """Light of a unit Gaussian in pixels at these distances from its centre."""
    width = fwhm_px / math.sqrt(4 * math.log(2))
    return (erf((at + 0.5) / width) - erf((at - 0.5) / width)) / 2


def tangent(side: int, angle_deg: float, scale: float, shift: tuple[float, float]) -> WCS:
    """Make a WCS whose pixels are `scale` times as wide, turned and shifted."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, -30.0]
    wcs.wcs.crpix = [side / 2 + shift[0], side / 2 + shift[1]]
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    wcs.wcs.cd = SCALE_DEG * scale * np.array([[-c, s], [s, c]])
    wcs.wcs.set()
    return wcs


def ours(sky: Sky, variance: Image, mask: NDArray[np.uint16]) -> Image:
    """Register with everything that travels with a frame."""
    shape = sky.image.shape
    mapping = pixel_mapping(sky.wcs_to, sky.wcs_from, (shape[0], shape[1]))
    return resample(sky.image, variance, mask, mapping, (shape[0], shape[1]))[0]


def reprojected(sky: Sky, order: str) -> Array:
    """Register with reproject; its surface brightness becomes flux."""
    values, _ = reproject_interp(
        (sky.image, sky.wcs_from), sky.wcs_to, sky.image.shape, order=order
    )
    ratio = np.linalg.det(sky.wcs_to.wcs.cd) / np.linalg.det(sky.wcs_from.wcs.cd)
    return np.nan_to_num(np.asarray(values)) * abs(ratio)


def prepare_swarp(folder: Path, sky: Sky, variance: Image, mask: NDArray[np.uint16]) -> None:
    """Write frame, weight and output header as SWarp wants them."""
    header = sky.wcs_from.to_header()
    fits.writeto(folder / "in.fits", sky.image, header)
    weight = np.where(mask, np.float32(0), 1 / variance)
    fits.writeto(folder / "in.weight.fits", weight.astype(np.float32), header)
    target = sky.wcs_to.to_header()
    target["NAXIS"] = 2
    target["NAXIS1"], target["NAXIS2"] = sky.image.shape[::-1]
    (folder / "out.head").write_text(target.tostring(sep="\n") + "\nEND\n")


def swarped(swarp: str, folder: Path, sky: Sky, extra: list[str]) -> Array:
    """Register with SWarp; its files lie in memory."""
    subprocess.run(  # noqa: S603  our own command line
        [
            swarp,
            "in.fits",
            "-c",
            "/dev/null",
            "-NTHREADS",
            str(threads()),
            "-RESAMPLING_TYPE",
            "LANCZOS3",
            "-SUBTRACT_BACK",
            "N",
            "-WEIGHT_TYPE",
            "MAP_WEIGHT",
            "-WEIGHT_SUFFIX",
            ".weight.fits",
            "-WRITE_XML",
            "N",
            "-VERBOSE_TYPE",
            "QUIET",
            "-DELETE_TMPFILES",
            "N",
            "-IMAGEOUT_NAME",
            "out.fits",
            "-WEIGHTOUT_NAME",
            "out.weight.fits",
            *extra,
        ],
        check=True,
        cwd=folder,
        capture_output=True,
        timeout=SWARP_LIMIT_S,
    )
    with fits.open(folder / "in.resamp.fits") as hdus:
        values, header = np.asarray(data_of(hdus, 0), dtype=np.float64), header_of(hdus, 0)
    # Its borders without data are cut off.
    top, left = (round(sky.wcs_to.wcs.crpix[axis] - header[f"CRPIX{axis + 1}"]) for axis in (1, 0))
    image = np.zeros(sky.image.shape)
    image[top : top + len(values), left : left + values.shape[1]] = values
    return image * float(str(header["FLXSCALE"]))


def errors(image: NDArray[np.floating], sky: Sky) -> tuple[float, float, float]:
    """Largest errors of the stars' flux, places and profiles on the new grid.

    The flux in per cent, the place in pixels, the profile in per cent of the peak of
    a star that the new grid's own pixels had seen.
    """
    side = image.shape[0]
    margin = 2 * BOX_PX
    flux, place, profile = [], [], []
    for x, y in zip(sky.x, sky.y, strict=True):
        i, j = round(y), round(x)
        if not (margin < i < side - margin and margin < j < side - margin):
            continue
        stamp = image[i - BOX_PX : i + BOX_PX + 1, j - BOX_PX : j + BOX_PX + 1]
        span = np.arange(-BOX_PX, BOX_PX + 1)
        total = float(stamp.sum(dtype=np.float64))
        flux.append(abs(total / FLUX_E - 1))
        at_x = float((stamp.sum(axis=0) * span).sum() / total) + j
        at_y = float((stamp.sum(axis=1) * span).sum() / total) + i
        place.append(math.hypot(at_x - x, at_y - y))
        ideal = FLUX_E * np.outer(
            gaussian(span - (y - i), sky.fwhm_px), gaussian(span - (x - j), sky.fwhm_px)
        )
        profile.append(np.abs(stamp - ideal).max() / ideal.max())
    return 100 * max(flux), max(place), 100 * max(profile)


def _swarp() -> str | None:
    return shutil.which("SWarp") or shutil.which("swarp")


def _fast() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


if __name__ == "__main__":
    main()
