"""Master bias, dark and flat: what the detector adds and how it responds.

All are in electrons, as every frame of the project. How frames are combined is in
`stacking`, how masters are applied in `calibrate`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from astrid_assets.science.arrays.robust import MAD_TO_SIGMA
from astrid_assets.science.calibration.stacking import Layer, combine_stack
from astrid_assets.science.errors import FrameRejected, ScienceError, ShapeMismatch
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image, Mask
    from astrid_assets.science.calibration.stacking import Stack

MIN_FLAT_LEVEL_E = 500.0
"""A flat fainter than this has more photon noise (4.5 %) than it corrects."""

MAX_FLAT_LEVEL = 0.9
"""Share of the saturation level above which the response is not linear everywhere."""

MIN_FLAT, MAX_FLAT = 0.2, 3.0
"""A pixel with a fifth of the usual response is dead or vignetted."""

DEVIANT_BIAS_SIGMA = 20.0
SAMPLED_PIXELS = 1_000_000
"""Enough for a level good to 0.1 % of the scatter."""

Kind = Literal["bias", "dark", "flat"]


class NoCalibrationFrames(ScienceError):
    """A master was requested without frames to make it from."""

    code = ReasonCode.NO_CALIBRATION_FRAMES


@dataclass(frozen=True, kw_only=True)
class Masters:
    """The masters that fit one frame; None where there is none.

    Values that follow from the masters alone are computed once and kept.

    Attributes
    ----------
    bias : (ny, nx), electrons
    dark : (ny, nx), electrons per second, without bias
    flat : (ny, nx), median 1
    bad_pixels : (ny, nx)
        True where the survey's own map marks a defective pixel.
    bias_noise_e, dark_noise_e_per_s, flat_noise
        Standard deviation of a pixel of each master; 0 when it is not known.
    dark_exposure_s : seconds
        Harmonic mean exposure of the darks from which this same bias was subtracted;
        infinite when it was another bias, or none.
    """

    bias: Image | None = None
    dark: Image | None = None
    flat: Image | None = None
    bad_pixels: NDArray[np.bool_] | None = None
    bias_noise_e: float = 0.0
    dark_noise_e_per_s: float = 0.0
    flat_noise: float = 0.0
    dark_exposure_s: float = float("inf")

    @property
    def shape(self) -> tuple[int, int] | None:
        """The common shape, or None without any master.

        Raises
        ------
        ShapeMismatch
            If they differ.
        """
        shapes = [
            image.shape
            for image in (self.bias, self.dark, self.flat, self.bad_pixels)
            if image is not None
        ]
        for shape in shapes[1:]:
            if shape != shapes[0]:
                raise ShapeMismatch(shapes[0], shape)
        return (shapes[0][0], shapes[0][1]) if shapes else None

    @cached_property
    def bias_level_e(self) -> float:
        """Median of the bias, 0 without one."""
        return 0.0 if self.bias is None else sampled_median(self.bias)

    @cached_property
    def defects(self) -> Mask:
        """Pixels that the masters show to be defective, as BAD: (ny, nx).

        Dead by their response to light, or with a bias far from all others, which
        means that they do not count electrons; and those of the survey's own map.

        Raises
        ------
        NoCalibrationFrames
            If there is no master at all.
        """
        if self.shape is None:
            raise NoCalibrationFrames("no masters: nothing is known of the detector's pixels")
        bad = np.zeros(self.shape, bool)
        if self.bad_pixels is not None:
            bad |= self.bad_pixels
        if self.bias is not None:
            bad |= deviant_bias(self.bias)
        if self.flat is not None:
            bad |= ~((self.flat > MIN_FLAT) & (self.flat < MAX_FLAT))
        if self.dark is not None:
            bad |= ~np.isfinite(self.dark)
        return np.where(bad, np.uint16(MaskBit.BAD), np.uint16(0))


@dataclass(frozen=True, kw_only=True)
class Master:
    """A master with the numbers that show whether it is sound.

    Attributes
    ----------
    image : (ny, nx)
        Electrons (bias), electrons per second (dark), median 1 (flat).
    used
        Indices of the frames that were used, in the given order.
    level
        Median: of the image (bias, dark); of the frames' light in electrons (flat).
    noise
        Typical standard deviation of a pixel, in the unit of `image`; NaN for a
        master of a single frame.
    clipped_fraction
        Fraction of all values that was left out as outliers.
    exposure_s : seconds
        Harmonic mean of the darks' exposures, None for other kinds.
    """

    image: Image
    used: tuple[int, ...]
    level: float
    noise: float
    clipped_fraction: float
    exposure_s: float | None = None


def make_master(
    frames: Sequence[Image],
    kind: Kind,
    *,
    bias: Image | None = None,
    dark: Image | None = None,
    exposures_s: Sequence[float] | None = None,
    saturation_e: float = float("inf"),
    min_frames: int = 1,
) -> Master:
    """Combine calibration frames into a master; outliers are left out per pixel.

    ::

        bias = <b_k>        dark = <(d_k - bias) / t_k>
        flat = <(f_k - bias - dark t_k) / m_k>,   m_k the median of the numerator

    with <> the clipped mean over the frames (`stacking`).

    Parameters
    ----------
    frames : (ny, nx) each, electrons
        Calibration frames of one kind.
    kind
        What they are: ``bias``, ``dark`` or ``flat``.
    bias : (ny, nx), electrons
        Subtracted from darks, which need it, and from flats.
    dark : (ny, nx), electrons per second
        Subtracted from flats; needs `exposures_s`.
    exposures_s : seconds
        One per frame; needed for darks.
    saturation_e : electrons
        Flats whose median lies above 0.9 of it are left out.
    min_frames
        With fewer frames no master is made.

    Returns
    -------
    master
        The combined image with its level and noise.

    Raises
    ------
    NoCalibrationFrames
        With fewer frames than asked for, with darks but no bias, or with too few flats
        that are bright enough.
    ShapeMismatch
        If the frames differ in shape.
    FrameRejected
        `no_exposure` if exposure times are needed and are missing or not positive.

    References
    ----------
    Howell 2006, Handbook of CCD Astronomy, ch. 4; the clipping is that of banzai.
    """
    if len(frames) < max(1, min_frames):
        raise NoCalibrationFrames(
            f"{len(frames)} frames for a master {kind}, {max(1, min_frames)} needed",
            found=len(frames),
        )
    for image in (*frames, *(m for m in (bias, dark) if m is not None)):
        if image.shape != frames[0].shape:
            raise ShapeMismatch(frames[0].shape, image.shape)
    if kind == "bias":
        stack = combine_stack([Layer(image) for image in frames])
        return _master(stack, range(len(frames)), sampled_median(stack.image))
    if kind == "dark":
        return _dark(frames, bias, exposures_s)
    return _flat(frames, bias, dark, exposures_s, saturation_e, min_frames)


def deviant_bias(bias: Image) -> NDArray[np.bool_]:
    """Mark bias pixels far from all others: they do not count electrons.

    Parameters
    ----------
    bias : (ny, nx), electrons
        Master bias.

    Returns
    -------
    deviant : (ny, nx)
        True more than 20 robust sigma from the median, and where not finite.
    """
    middle = sampled_median(bias)
    scatter = MAD_TO_SIGMA * sampled_median(np.abs(_some(bias) - np.float32(middle)))
    limit = np.float32(DEVIANT_BIAS_SIGMA * max(scatter, 1e-6))
    return ~(np.abs(bias - np.float32(middle)) <= limit)


def sampled_median(image: Image) -> float:
    """Return the median of the finite values, from a sample of at most 2 million.

    Parameters
    ----------
    image : any shape
        In any unit.

    Returns
    -------
    median
        In the unit of the image; NaN when no value is finite.
    """
    some = _some(image)
    some = some[np.isfinite(some)]
    return float(np.median(some)) if some.size else float("nan")


def _some(image: Image) -> Image:
    return image.ravel()[:: max(1, image.size // SAMPLED_PIXELS)]


def _master(stack: Stack, used: Sequence[int], level: float) -> Master:
    return Master(
        image=stack.image,
        used=tuple(used),
        level=level,
        noise=stack.noise,
        clipped_fraction=stack.clipped_fraction,
    )


def _dark(
    frames: Sequence[Image], bias: Image | None, exposures_s: Sequence[float] | None
) -> Master:
    """Dark current in electrons per second."""
    if bias is None:
        raise NoCalibrationFrames(
            "a dark includes the bias: without a master bias it cannot be scaled"
        )
    times = _times(frames, exposures_s)
    stack = combine_stack(
        [Layer(image, 1 / time) for image, time in zip(frames, times, strict=True)],
        bias,
    )
    master = _master(stack, range(len(frames)), sampled_median(stack.image))
    return replace(master, exposure_s=len(times) / sum(1 / time for time in times))


def _flat(
    frames: Sequence[Image],
    bias: Image | None,
    dark: Image | None,
    exposures_s: Sequence[float] | None,
    saturation_e: float,
    min_frames: int,
) -> Master:
    """Combine flats of usable level, each divided by its own level; median 1."""
    times = _times(frames, exposures_s) if dark is not None else [0.0] * len(frames)
    layers: list[Layer] = []
    used: list[int] = []
    levels: list[float] = []
    seen: list[float] = []
    for k, (image, time) in enumerate(zip(frames, times, strict=True)):
        light = _some(image)
        full = MAX_FLAT_LEVEL * saturation_e < sampled_median(light)
        light = light - _some(bias) if bias is not None else light
        light = light - _some(dark) * np.float32(time) if dark is not None else light
        level = sampled_median(light)
        seen.append(level)
        if level >= MIN_FLAT_LEVEL_E and not full:
            layers.append(Layer(image, 1 / level, time))
            used.append(k)
            levels.append(level)
    if len(layers) < max(1, min_frames):
        raise NoCalibrationFrames(
            f"{len(layers)} of {len(frames)} flats have a sensible level, "
            f"{max(1, min_frames)} needed: their medians are {min(seen):.0f} to "
            f"{max(seen):.0f} e-, at least {MIN_FLAT_LEVEL_E:.0f} needed and at most "
            f"{MAX_FLAT_LEVEL:.0%} of the saturation level {saturation_e:.0f}",
            lowest_e=min(seen),
            highest_e=max(seen),
        )
    stack = combine_stack(layers, bias, dark)
    middle = np.float32(sampled_median(stack.image))
    master = _master(stack, used, float(np.median(levels)))
    return replace(master, image=stack.image / middle)


def _times(frames: Sequence[Image], exposures_s: Sequence[float] | None) -> Sequence[float]:
    """Check the exposure times."""
    if exposures_s is None or len(exposures_s) != len(frames):
        raise FrameRejected(
            ReasonCode.NO_EXPOSURE, "each dark needs its exposure time, or cannot be scaled"
        )
    if min(exposures_s) <= 0:
        raise FrameRejected(
            ReasonCode.NO_EXPOSURE,
            f"an exposure of {min(exposures_s)} s cannot scale a dark",
            exposure_s=min(exposures_s),
        )
    return exposures_s
