"""Quality of cutouts: defects lower it, what nobody measured does not."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.labelling.stamp_quality import PARTS, StampMeter, StampQuality

COUNT = 8
SIDE = 32


@pytest.fixture
def cutouts(rng) -> np.ndarray:
    return rng.normal(size=(COUNT, 3, SIDE, SIDE)).astype(np.float32)


def quality_of(cutouts: np.ndarray, **known: np.ndarray) -> StampQuality:
    meter = StampMeter(len(cutouts))
    meter.add(0, cutouts[:3])
    meter.add(3, cutouts[3:])
    unknown = np.full(len(cutouts), np.nan)
    values = {"fwhm_px": unknown, "limiting_mag": unknown, "frame_quality": unknown} | known
    return meter.quality(**values, kind=np.array(["wide r"] * len(cutouts)))


def test_cutouts_of_which_nothing_but_pixels_is_known_are_good(cutouts):
    quality = quality_of(cutouts)
    assert quality.overall.min() > 0.97
    summary = quality.summary()
    assert [name for name in PARTS if summary[name] is None] == ["sharp", "deep", "frame"]


def test_a_blank_plane_makes_a_cutout_worthless(cutouts):
    cutouts[0, 0] = 0
    cutouts[1, 2] = 7.5
    cutouts[2] = np.nan
    quality = quality_of(cutouts)
    assert quality.overall[:3].tolist() == [0, 0, 0]
    assert quality.summary()["blank"] == pytest.approx(3 / COUNT)
    assert quality.overall[3:].min() > 0.97


def test_a_cutout_at_the_edge_of_a_frame_is_cut_off_and_a_small_one_is_not(cutouts):
    cutouts[0, :, :, : SIDE // 2 - 3] = 0
    cutouts[1, :, :1] = 0
    cutouts[2, :, :8] = cutouts[2, :, -8:] = cutouts[2, :, :, :8] = cutouts[2, :, :, -8:] = 0
    whole = quality_of(cutouts).parts["whole"]
    assert whole[0] < 0.4
    assert whole[1:3].tolist() == [1, 1]


def test_masked_pixels_lower_it_most_where_the_candidate_is(cutouts):
    cutouts[0, 1, 4:12, 4:12] = 0
    middle = SIDE // 2
    cutouts[1, 2, middle - 2 : middle + 3, middle - 2 : middle + 3] = 0
    cutouts[2, 0, ::2, ::2] = np.nan
    quality = quality_of(cutouts)
    assert 0.9 < quality.parts["unmasked"][0] < 0.95
    assert quality.parts["unmasked"][1] == pytest.approx(24 / 49)
    assert quality.parts["finite"][2] == pytest.approx(11 / 12)
    assert quality.overall[1] < quality.overall[0]


def test_width_and_depth_are_compared_with_what_is_usual(cutouts):
    fwhm = np.full(COUNT, 2.0)
    fwhm[:2] = 4.0, 5.0
    depth = np.full(COUNT, 20.0)
    depth[2:5] = 19.6, 18.5, np.nan
    quality = quality_of(cutouts, fwhm_px=fwhm, limiting_mag=depth)
    assert quality.parts["sharp"][:3].tolist() == pytest.approx([0.4, 0, 1])
    assert quality.parts["deep"][2:4].tolist() == pytest.approx([1, 0.5])
    assert np.isnan(quality.parts["deep"][4])
    assert quality.overall[1] < 0.1
    assert quality.overall[4] > 0.97


def test_the_quality_of_a_frame_counts_where_there_is_one(cutouts):
    frame = np.array([0.0, 0.5, *[np.nan] * (COUNT - 2)])
    overall = quality_of(cutouts, frame_quality=frame).overall
    assert overall[0] < 0.1 < overall[1] < overall[2]
