"""Whatever a bad pixel holds, the difference elsewhere is the same, bit for bit."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.simulation.pair import simulate_pair

SHAPE = (320, 320)
IMAGES = ("d", "score", "flux", "flux_err", "registered_reference")
NUMBERS = (
    "std_score",
    "flux_ratio",
    "offset_px",
    "astrometric_noise_px",
    "psf_error",
    "sky_rms_e",
    "reference_rms_e",
    "n_stars",
    "coverage",
)
METHODS = ("zogy", "kernel")
SIDES = ("science", "reference")
VALUES = {
    "bright": (1e6, 1e6),
    "huge": (-1e30, 1e30),
    "not a number": (np.nan, np.nan),
    "infinite": (np.inf, np.inf),
    "no variance": (0.0, 0.0),
}


@functools.cache
def pair():
    return simulate_pair(21, SHAPE, n_transients=0, psf_variation=0.06, shift_px=(0.4, -0.3))


def marked(frame):
    """Return the frame with pixels, a saturated patch and a trail marked bad."""
    rng = np.random.default_rng(8)
    mask = frame.mask.copy()
    rows, columns = rng.integers(5, SHAPE[0] - 5, (2, 80))
    mask[rows, columns] |= np.uint16(MaskBit.BAD)
    mask[90:93, 40:200] |= np.uint16(MaskBit.TRAIL)
    mask[220:230, 180:190] |= np.uint16(MaskBit.SATURATED)
    return replace(frame, mask=mask)


def holding(frame, value, variance):
    bad = (frame.mask & UNUSABLE) != 0
    return replace(
        frame,
        data=np.where(bad, np.float32(value), frame.data),
        variance=np.where(bad, np.float32(variance), frame.variance),
    )


@functools.cache
def difference(method, side, value, variance):
    frames = {name: getattr(pair(), name) for name in SIDES}
    frames[side] = holding(marked(frames[side]), value, variance)
    return subtract(frames["science"], frames["reference"], DifferencingSettings(method=method))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", VALUES)
def test_what_bad_pixels_hold_changes_nothing(method, side, name):
    plain = difference(method, side, 5.0, 400.0)
    other = difference(method, side, *VALUES[name])
    np.testing.assert_array_equal(other.mask, plain.mask)
    for image in IMAGES:
        np.testing.assert_array_equal(getattr(other, image), getattr(plain, image))
        assert np.isfinite(getattr(other, image)).all()
    for number in NUMBERS:
        assert getattr(other, number) == getattr(plain, number)


@pytest.mark.slow
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("plane", ["data", "variance"])
def test_a_value_that_is_no_number_is_missing_though_no_one_marked_it(side, plane):
    frames = {name: getattr(pair(), name) for name in SIDES}
    image = getattr(frames[side], plane).copy()
    image[150, 160] = np.nan
    frames[side] = replace(frames[side], **{plane: image})
    spoiled = subtract(frames["science"], frames["reference"], DifferencingSettings())
    whole = subtract(pair().science, pair().reference, DifferencingSettings())
    assert not spoiled.score[150, 160]
    # Registered, the reference's pixel lies within one of there.
    assert (spoiled.mask[149:152, 159:162] & MaskBit.NO_DATA).any()
    for name in IMAGES:
        assert np.isfinite(getattr(spoiled, name)).all()
    apart = np.abs(spoiled.score - whole.score)
    apart[130:171, 140:181] = 0
    assert apart.max() < 0.3


@pytest.mark.slow
def test_a_bad_pixel_leaves_the_error_of_its_neighbours():
    """A saturated star's variance is large; beside its mask the sky's is not."""
    whole = subtract(pair().science, pair().reference, DifferencingSettings())
    struck = difference("zogy", "science", 1e6, 1e6)
    good = (struck.mask & UNUSABLE) == 0
    near = np.zeros(SHAPE, dtype=bool)
    near[214:236, 174:196] = True
    ratio = (struck.flux_err / whole.flux_err)[near & good]
    assert np.median(ratio) == pytest.approx(1, abs=0.02)
