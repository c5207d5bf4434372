"""References: what the stack of some frames is worth."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import maximum_filter
from scipy.signal import fftconvolve

from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.errors import FrameRejected, NoReference
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.reference.stacking import build_reference, depth_of
from astrid_assets.science.settings import ReferenceSettings
from astrid_assets_tests.science.exposures import SHAPE, exposure

SETTINGS = ReferenceSettings()


def test_without_frames_there_is_no_reference():
    with pytest.raises(NoReference):
        build_reference([], SETTINGS)


@functools.cache
def exposures(count=4):
    shifts = [(0.0, 0.0, 0), (3.4, -1.7, 0), (-2.2, 0.6, 0), (1.1, 4.5, 0)]
    return [exposure(i, place) for i, place in enumerate(shifts[:count])]


def test_a_single_frame_is_its_own_reference():
    (frame,) = exposures(1)
    assert build_reference([frame], SETTINGS) is frame


@pytest.mark.slow
def test_the_stack_lies_on_the_sharpest_frame_whatever_the_order():
    frames = exposures(3)
    stack = build_reference(frames[::-1], SETTINGS)
    assert stack.frame_id == "f0"
    assert stack.wcs is frames[0].wcs
    again = build_reference(frames, SETTINGS)
    assert stack.data.tobytes() == again.data.tobytes()


@pytest.mark.slow
def test_a_stack_is_deeper_and_states_its_noise():
    frames = exposures(4)
    stack = build_reference(frames, SETTINGS)
    assert stack.variance is not None
    assert stack.psf is not None
    inner = (slice(20, -20), slice(20, -20))
    sky = np.sqrt(np.percentile(stack.variance[inner], 30))
    assert stack.sky_rms_e == pytest.approx(sky, rel=0.08)
    assert stack.sky_rms_e is not None
    assert frames[0].sky_rms_e is not None
    assert stack.sky_rms_e < 0.6 * frames[0].sky_rms_e
    assert stack.psf.fwhm_px == pytest.approx(3.0, abs=0.3)


@pytest.mark.slow
def test_a_cosmic_ray_no_one_marked_is_clipped_and_a_marked_one_leaves_no_hole():
    frames = exposures(4)
    clean = build_reference(frames, SETTINGS)
    struck, mask = frames[1].data.copy(), frames[1].mask.copy()
    struck[100, 120] += 5000
    struck[200, 210], mask[200, 210] = 9e4, MaskBit.COSMIC_RAY
    hurt = [frames[0], replace(frames[1], data=struck, mask=mask), *frames[2:]]
    stack = build_reference(hurt, SETTINGS)
    assert np.abs(stack.data - clean.data).max() < 40
    assert ((stack.mask ^ clean.mask) & UNUSABLE).sum() == 0


@pytest.mark.slow
@pytest.mark.parametrize("flux", [1e4, 1e6])
def test_a_bright_star_is_the_mean_of_its_images_though_seeing_and_trails_differ(flux):
    """Nothing is clipped of its wings, or its PSF would depend on its flux."""
    (frame,) = exposures(1)
    frames = [replace(frame, frame_id=f"f{i}") for i in range(5)]
    clean = build_reference(frames, SETTINGS)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    dy, dx = y - 150.0, x - 140.0
    lit, painted = [], []
    for i, frame in enumerate(frames):
        wide, long, turn = 1.2 + 0.03 * i, (1.0, 1.2, 1.05, 1.25, 1.15)[i], 0.6 * i
        along = dx * np.cos(turn) + dy * np.sin(turn)
        across = dy * np.cos(turn) - dx * np.sin(turn)
        light = np.exp(-0.5 * ((along / (wide * long)) ** 2 + (across / wide) ** 2))
        painted.append(flux * light / light.sum())
        variance = frame.variance + painted[-1]
        lit.append(
            replace(
                frame,
                data=(frame.data + painted[-1]).astype(np.float32),
                variance=variance.astype(np.float32),
            )
        )
    added = build_reference(lit, SETTINGS).data - clean.data
    here = np.s_[135:166, 125:156]
    mean = np.mean(painted, axis=0)
    assert np.abs(added - mean)[here].max() < 0.02 * mean.max()


HALF = (0.5, 0.5, 0)  # smooths most
NEAR = ((0, 0, 0), (3.4, -1.7, 0), (-2.2, 0.6, 0), (1.1, 4.5, 0))
FAR = ((-3.3, 2.1, 0), (0.2, -4.4, 0), (2.7, 3.8, 0), (-1.6, -0.9, 0))
PLACES = {
    "a single frame": NEAR[:1],
    "whole pixels": ((0, 0, 0), (1, 0, 0), (-2, 3, 0), (4, -1, 0)),
    "two, half a pixel apart": ((0, 0, 0), HALF),
    "half a pixel": ((0, 0, 0), HALF, HALF, HALF),
    "two, shifted": NEAR[:2],
    "four, shifted": NEAR,
    "eight, shifted": NEAR + FAR,
    "turned a little": ((0, 0, 0), (1.3, 0.2, 0.4), (0.3, 0.9, -0.3), (0.5, 0.5, 5)),
    "turned": ((0, 0, 0), (1.3, 0.2, 30), (0.4, -0.7, 25), (0.5, 0.5, 45)),
    "the other side of the pier": ((0, 0, 0), (0.4, 0.3, 180), (0.5, 0.5, 180)),
}


@pytest.mark.slow
@pytest.mark.parametrize("places", PLACES.values(), ids=PLACES)
def test_subtracting_from_a_reference_leaves_blank_sky_of_unit_scatter(places):
    shape = (512, 512)
    frames = [exposure(i, place, shape) for i, place in enumerate(places)]
    stack = build_reference(frames, ReferenceSettings(min_frames=1))
    d = subtract(exposure(8, (-0.5, -0.5, 0), shape), stack, DifferencingSettings())
    assert d.std_score == pytest.approx(1, abs=0.02)


DEPTHS = (
    "a single frame",
    "half a pixel",
    "two, shifted",
    "four, shifted",
    "the other side of the pier",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", DEPTHS)
def test_a_stack_states_how_faint_a_star_it_shows(name):
    shape = (512, 512)
    stacks = [
        build_reference(
            [exposure(i, p, shape, draw=draw) for i, p in enumerate(PLACES[name])],
            SETTINGS,
        )
        for draw in (1, 2, 3)
    ]
    # Two of the same stars: what is left of their difference is the noise of both.
    left = stacks[0].data - stacks[1].data
    assert stacks[0].psf is not None
    psf = stacks[0].psf.centre.astype(float)
    flux = fftconvolve(left, psf[::-1, ::-1] / (psf**2).sum(), mode="same")
    # Noise of its own says where the sky is, or the selection would know the scatter.
    near_sky = fftconvolve(stacks[2].data, psf, mode="same")
    unusable = (stacks[0].mask | stacks[1].mask) & UNUSABLE != 0
    near_unusable = np.asarray(maximum_filter(unusable, 15), dtype=bool)
    blank = ~near_unusable & (near_sky < np.percentile(near_sky, 40))
    scatter = 1.4826 * np.median(np.abs(flux[blank])) / np.sqrt(2)
    limit, coverage = depth_of(stacks[0])
    truth = stacks[0].zero_point_mag - 2.5 * np.log10(5 * scatter)
    assert limit == pytest.approx(truth, abs=0.03)
    assert coverage == pytest.approx(1 - unusable.mean(), abs=0.01)


@pytest.mark.slow
def test_more_frames_make_a_deeper_stack():
    depths = [depth_of(build_reference(list(exposures(n)), SETTINGS))[0] for n in (1, 2, 4)]
    # In clouds a frame's noise is larger by what its transparency, 1 to 0.7, lacks.
    for depth, frames in ((depths[1], 1 + 0.9**2), (depths[2], 1 + 0.81 + 0.64 + 0.49)):
        assert depth - depths[0] == pytest.approx(1.25 * np.log10(frames), abs=0.05)


def test_a_stack_without_zero_point_has_no_depth():
    (frame,) = exposures(1)
    with pytest.raises(FrameRejected, match="zero point"):
        depth_of(replace(frame, zero_point_mag=None))


@pytest.mark.parametrize("which", [0, 1])
def test_a_frame_without_a_good_pixel_cannot_be_stacked(which):
    frames = list(exposures(2))
    blind = np.full(SHAPE, MaskBit.BAD, np.uint16)
    frames[which] = replace(frames[which], mask=blind)
    with pytest.raises(FrameRejected) as caught:
        build_reference(frames, SETTINGS)
    assert caught.value.code == "no_overlap"


@pytest.mark.slow
def test_half_a_pixel_weighs_no_more_than_none():
    frames = [exposure(i, place) for i, place in ((0, (0, 0, 0)), (4, HALF))]
    stack = build_reference(frames, SETTINGS)
    assert stack.psf_noise_factor is not None
    assert stack.variance is not None
    assert frames[0].variance is not None
    # Two equally deep frames: half the variance on the scale of the PSF.
    of_psf = stack.psf_noise_factor**2 * np.percentile(stack.variance, 30)
    assert of_psf == pytest.approx(np.percentile(frames[0].variance, 30) / 2, rel=0.02)
    assert stack.psf_noise_factor > 1.1


def test_a_frame_without_zero_point_cannot_be_stacked():
    frames = exposures(2)
    with pytest.raises(FrameRejected) as caught:
        build_reference([frames[0], replace(frames[1], zero_point_mag=None)], SETTINGS)
    assert caught.value.code == "unprocessed"
