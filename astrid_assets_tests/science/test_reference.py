"""References: which frames enter, and what their stack is worth."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.errors import FrameRejected, NoReference
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.reference import (
    ReferenceCandidate,
    build_reference,
    choose_members,
)
from astrid_assets.science.settings import ReferenceSettings
from astrid_assets.science.simulation.pair import simulate_pair

SETTINGS = ReferenceSettings()
SHAPE = (384, 384)


def candidate(number, night, fwhm=3.0, path="a.fits"):
    return ReferenceCandidate(
        observation_id=f"o{number}",
        night=f"2025-03-{night:02d}",
        path=path,
        observed_mjd=60700.0 + night + number / 100,
        fwhm_px=fwhm,
    )


def test_whole_nights_are_taken_earliest_first_until_there_are_enough():
    pool = [candidate(i, night=1 + i // 2) for i in range(10)]
    chosen = choose_members(pool[::-1], ReferenceSettings(frames=3))
    assert chosen == ["o0", "o1", "o2", "o3"]


def test_later_nights_cannot_change_a_complete_reference():
    early = [candidate(i, night=1) for i in range(3)]
    sharper_later = [candidate(9, night=5, fwhm=1.0)]
    settings = ReferenceSettings(frames=3)
    assert choose_members(early + sharper_later, settings) == choose_members(
        early, settings
    )


def test_blurred_frames_stay_out():
    pool = [candidate(0, 1, fwhm=3.0), candidate(1, 1, fwhm=5.0), candidate(2, 2)]
    assert choose_members(pool, ReferenceSettings(frames=2)) == ["o0", "o2"]


def test_paths_and_dates_limit_the_pool():
    pool = [
        candidate(0, 1, path="reference/a.fits"),
        candidate(1, 1, path="science/b.fits"),
        candidate(2, 3, path="reference/c.fits"),
    ]
    by_path = ReferenceSettings(paths=("reference/*",))
    assert choose_members(pool, by_path) == ["o0", "o2"]
    before = by_path.model_copy(update={"before": "2025-03-03"})
    assert choose_members(pool, before) == ["o0"]


def test_too_few_frames_make_no_reference():
    assert choose_members([candidate(0, 1)], ReferenceSettings(min_frames=2)) == []
    with pytest.raises(NoReference):
        build_reference([], SETTINGS)


@functools.cache
def exposures(count=4):
    """Frames of one sky, each shifted and of its own seeing and transparency."""
    shifts = [(0.0, 0.0), (3.4, -1.7), (-2.2, 0.6), (1.1, 4.5), (-0.5, -0.5)]
    frames = []
    for i in range(count):
        frame = simulate_pair(
            3,
            SHAPE,
            n_transients=0,
            science_fwhm_px=2.8 + 0.15 * i,
            shift_px=shifts[i],
        ).science
        # Every pair of one seed has the same sky; its noise must be this frame's own.
        noise = np.random.default_rng(100 + i).normal(0, 10, SHAPE)
        transparency = 1 - 0.1 * i
        frames.append(
            replace(
                frame,
                frame_id=f"f{i}",
                data=(transparency * (frame.data + noise)).astype(np.float32),
                variance=(transparency**2 * (frame.variance + 100)).astype(np.float32),
                zero_point_mag=25 + 2.5 * np.log10(transparency),
            )
        )
    return frames


def test_a_single_frame_is_its_own_reference():
    (frame,) = exposures(1)
    assert build_reference([frame], SETTINGS) is frame


def test_the_stack_lies_on_the_sharpest_frame_whatever_the_order():
    frames = exposures(3)
    stack = build_reference(frames[::-1], SETTINGS)
    assert stack.frame_id == "f0"
    assert stack.wcs is frames[0].wcs
    again = build_reference(frames, SETTINGS)
    assert stack.data.tobytes() == again.data.tobytes()


def test_a_stack_is_deeper_and_states_its_noise():
    frames = exposures(4)
    stack = build_reference(frames, SETTINGS)
    inner = (slice(20, -20), slice(20, -20))
    sky = np.sqrt(np.percentile(stack.variance[inner], 30))
    assert stack.sky_rms_e == pytest.approx(sky, rel=0.08)
    assert stack.sky_rms_e < 0.6 * frames[0].sky_rms_e * np.sqrt(1.25)
    assert stack.psf.fwhm_px == pytest.approx(3.0, abs=0.3)


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


def test_subtracting_from_a_stack_leaves_blank_sky_of_unit_scatter():
    frames = exposures(5)
    stack = build_reference(frames[:4], SETTINGS)
    d = subtract(frames[4], stack, DifferencingSettings())
    assert d.std_score == pytest.approx(1, abs=0.05)


def test_a_frame_without_zero_point_cannot_be_stacked():
    frames = exposures(2)
    with pytest.raises(FrameRejected) as caught:
        build_reference([frames[0], replace(frames[1], zero_point_mag=None)], SETTINGS)
    assert caught.value.code == "unprocessed"
