"""Reference frames: the stack of the frames that were chosen in `selection`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import maximum_filter

from astrid_assets.science.differencing.common_stars import measure_common_stars
from astrid_assets.science.differencing.noise_spectrum import (
    psf_factor,
)
from astrid_assets.science.differencing.prepared import prepared
from astrid_assets.science.errors import FrameRejected, NoReference, TooFewStars
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.photometry.zero_point import limiting_mag
from astrid_assets.science.psf.fitting import fit_psf
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.science.registration.resampling import pixel_mapping, pixel_power, resample
from astrid_assets.science.stars.measurement import measure_stars

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image, Mask
    from astrid_assets.science.differencing.prepared import Prepared
    from astrid_assets.science.frame import Frame
    from astrid_assets.science.registration.pixel_mapping import PixelMapping
    from astrid_assets.science.settings import ReferenceSettings

MIN_STARS = 3  # for the alignment of a member beyond its WCS
CLIP_SIGMA = 5.0
CLIP_FLUX_FRACTION = 0.3
"""Share by which seeing may change a star's pixels between frames without being clipped."""
MIN_FRAMES_TO_CLIP = 3  # when two disagree, either may be wrong
ANY_MEMBER_BITS = int(MaskBit.SATURATED | MaskBit.HALO)
"""Bits that the stack has where any member has them: its PSF does not hold there."""


def build_reference(frames: Sequence[Frame], settings: ReferenceSettings) -> Frame:
    """Stack frames on the grid of the sharpest: clipped, noise-weighted mean.

    Its `frame_id` is that of the sharpest member (`dataclasses.replace` gives it its own).
    Its variance is that of single pixels, which resampling has smoothed; `psf_noise_factor`
    states by how much more it scatters on the scale of the PSF. Members weigh by their
    noise on that scale, which resampling leaves alone.

    Parameters
    ----------
    frames : (ny, nx) each, electrons
        Processed: background-subtracted, with variance, PSF, WCS and zero point.
    settings
        How many frames a reference needs.

    Returns
    -------
    stack : (ny, nx), electrons of the sharpest frame
        A single frame is returned as it is.

    Raises
    ------
    NoReference
        If there are fewer frames than the settings ask for.
    FrameRejected
        ``unprocessed`` when a frame lacks what stacking needs, ``no_overlap`` when frames
        share no good pixel.
    TooFewStars
        If the stack shows too few stars for its PSF.
    """
    if len(frames) < settings.min_frames or not frames:
        raise NoReference(
            f"{len(frames)} frames for a reference, {settings.min_frames} needed",
            found=len(frames),
            needed=settings.min_frames,
        )
    ordered = sorted(frames, key=lambda f: (prepared(f).psf.fwhm_px, f.frame_id))
    sharpest = ordered[0]
    if len(ordered) == 1:
        return sharpest
    onto = prepared(sharpest)
    members = [_member(onto, onto), *(_member(prepared(f), onto) for f in ordered[1:])]
    data, variance, mask = _combine(members, onto.psf.fwhm_px)
    stack = replace(
        sharpest,
        data=data,
        variance=variance,
        mask=mask,
        observed_mjd=float(np.mean([f.observed_mjd for f in ordered])),
        saturation_e=min(f.saturation_e * m.scale for f, m in zip(ordered, members, strict=True)),
        sky_rms_e=_blank_rms(data, mask),
        psf_noise_factor=_psf_noise_factor(members),
        psf=None,
    )
    return replace(stack, psf=fit_psf(stack, measure_stars(stack)))


def depth_of(stack: Frame) -> tuple[float, float]:
    """Return the depth and the coverage of a stack, or of a single frame.

    Parameters
    ----------
    stack : (ny, nx), electrons
        With a zero point.

    Returns
    -------
    limiting_mag : magnitudes
        Limiting magnitude of a point source at 5 sigma of the blank sky, by the stack's own
        noise on the scale of its PSF.
    coverage
        Share of its pixels that are good, 0 to 1.

    Raises
    ------
    FrameRejected
        ``unprocessed`` without a zero point, ``no_overlap`` without a good pixel.
    """
    if stack.zero_point_mag is None:
        raise FrameRejected(ReasonCode.UNPROCESSED, f"{stack.frame_id} has no zero point")
    ready = prepared(stack)
    if ready.bad.all():
        raise FrameRejected(ReasonCode.NO_OVERLAP, f"{stack.frame_id} has no good pixel")
    noise = ready.sky_sigma * _psf_factor(ready)
    faintest = limiting_mag(stack.zero_point_mag, noise, ready.psf)
    return faintest, float(1 - ready.bad.mean())


@dataclass(frozen=True)
class _Member:
    """A frame on the stack's grid, in the electrons of the sharpest frame.

    `sky` is its blank sky's variance per pixel; `weight` the inverse variance of white
    noise that scatters as much on the scale of the PSF.
    """

    data: Image
    variance: Image
    mask: Mask
    scale: float
    sky: float
    weight: float


def _member(ready: Prepared, onto: Prepared) -> _Member:
    frame = ready.frame
    scale = _scale(frame, onto.frame)
    data, variance, mask = frame.data, ready.variance, frame.mask
    if ready.bad.all():
        raise FrameRejected(ReasonCode.NO_OVERLAP, f"frame {frame.frame_id} has no good pixel")
    noise = ready.sky_sigma
    psf_noise, power = noise * _psf_factor(ready), 1.0
    if ready is not onto:
        mapping, shape = _aligned(ready, onto), onto.frame.shape
        data, variance, mask = resample(data, variance, mask, mapping, shape, ready.spline)
        power = pixel_power(mapping)
        variance *= np.float32(power)
    return _Member(
        data * np.float32(scale),
        variance * np.float32(scale**2),
        mask,
        scale,
        sky=power * (scale * noise) ** 2,
        weight=1 / (scale * psf_noise) ** 2,
    )


def _psf_factor(ready: Prepared) -> float:
    """Return a frame's noise on the scale of its PSF over that of its pixels."""
    return psf_factor(ready.psf.centre, ready.spectrum.axes)


def _psf_noise_factor(members: Sequence[_Member]) -> float:
    """Return the stack's noise on the scale of the PSF over that of its pixels."""
    sky = sum(m.weight**2 * m.sky for m in members)
    return float(np.sqrt(sum(m.weight for m in members) / sky))


def _scale(frame: Frame, sharpest: Frame) -> float:
    if frame.zero_point_mag is None or sharpest.zero_point_mag is None:
        raise FrameRejected(
            ReasonCode.UNPROCESSED,
            f"frame {frame.frame_id} or {sharpest.frame_id} has no zero point",
        )
    return 10 ** (0.4 * (sharpest.zero_point_mag - frame.zero_point_mag))


def _aligned(ready: Prepared, onto: Prepared) -> PixelMapping:
    """Mapping into the frame, by common stars where there are enough, else by WCS."""
    try:
        return measure_common_stars(onto, ready, MIN_STARS).mapping
    except TooFewStars:
        # Both WCS were verified on stars when the frames were processed.
        return pixel_mapping(onto.wcs, ready.wcs, onto.frame.shape)


def _combine(members: Sequence[_Member], fwhm_px: float) -> tuple[Image, Image, Mask]:
    """Weighted mean of the good pixels; NO_DATA where there is none."""
    data = np.stack([m.data for m in members])
    variance = np.stack([m.variance for m in members])
    good = np.stack([(m.mask & UNUSABLE) == 0 for m in members])
    if len(members) >= MIN_FRAMES_TO_CLIP:
        good &= _agrees(data, variance, good, fwhm_px)
    weight = np.array([m.weight for m in members], np.float32)[:, None, None] * good
    total = weight.sum(axis=0)
    covered = total > 0
    share = weight / np.where(covered, total, 1)
    mean = (share * data).sum(axis=0)
    noise = (share**2 * variance).sum(axis=0)
    typical = np.float32(np.median(noise[covered])) if covered.any() else np.float32(1)
    bits = np.bitwise_or.reduce([m.mask for m in members])
    # One good pixel is enough: the defects of the others are left out.
    left = bits & np.uint16(~UNUSABLE & 0xFFFF | ANY_MEMBER_BITS)
    mask = np.where(covered, left, bits | np.uint16(MaskBit.NO_DATA)).astype(np.uint16)
    return (
        np.where(covered, mean, 0).astype(np.float32),
        np.where(covered, noise, typical).astype(np.float32),
        mask,
    )


def _agrees(
    data: Image,
    variance: Image,
    good: NDArray[np.bool_],
    fwhm_px: float,
) -> NDArray[np.bool_]:
    """Return which pixels are near the median, within what PSFs may differ by.

    On the wings of a star, members of other seeing, or trailed ones, differ by much of its
    light; if they were clipped, bright stars of the stack would have another PSF than
    faint ones.
    """
    order = np.sort(np.where(good, data, np.inf), axis=0)
    count = good.sum(axis=0)
    lower = np.take_along_axis(order, np.maximum((count - 1) // 2, 0)[None], axis=0)[0]
    median = np.where(count > 0, lower, 0)
    around = 2 * max(1, round(fwhm_px / 2)) + 1
    light = maximum_filter(np.maximum(median, 0), size=around)
    allowed = CLIP_SIGMA * np.sqrt(variance) + CLIP_FLUX_FRACTION * light
    return np.abs(data - median) <= allowed


def _blank_rms(data: Image, mask: Mask) -> float:
    """Return the scatter of single sky pixels, from those below the level: stars are above."""
    usable = (mask & UNUSABLE) == 0
    if not usable.any():
        raise FrameRejected(ReasonCode.NO_OVERLAP, "the frames of the stack share no good pixel")
    values = data[usable]
    low, middle = np.percentile(values, [15.87, 50])
    return float(middle - low)
