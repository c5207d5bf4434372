"""Registration against closed forms, exact WCS, reproject, and laws that hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from astropy.wcs import Sip
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reproject import reproject_interp
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.special import erf

from astrid_assets.science.arrays import threads
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.registration.pixel_mapping import PixelMapping
from astrid_assets.science.registration.resampling import (
    missing_at,
    pixel_mapping,
    pixel_power,
    resample,
)
from astrid_assets_tests.science.star_fields import tangent_wcs

SIDE = 260
SHAPE = (SIDE, SIDE)
BOX = 16
FLUX = 1000.0
MIDDLE = (SIDE - 1) / 2


def affine(angle_deg=0.0, scale=1.0, shift=(0.0, 0.0), *, mirrored=False):
    """The matrix and offset of a mapping around the middle of the grid."""
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    matrix = scale * np.array([[c, -s], [s, c]]) @ np.diag([-1 if mirrored else 1, 1])
    return matrix, np.array(shift) + MIDDLE - matrix @ [MIDDLE, MIDDLE]


def mapping_of(matrix, offset, shape=SHAPE):
    return PixelMapping.of(
        lambda x, y: (
            matrix[0, 0] * x + matrix[0, 1] * y + offset[0],
            matrix[1, 0] * x + matrix[1, 1] * y + offset[1],
        ),
        shape,
    )


def integrated(span, centre, fwhm_px):
    """Light of a unit Gaussian in each pixel of a line."""
    width = fwhm_px / math.sqrt(4 * math.log(2))
    edges = np.append(span, span[-1] + 1) - 0.5 - centre
    return np.diff(erf(edges / width)) / 2


def painted(x, y, fwhm_px, shape=SHAPE):
    image = np.zeros(shape)
    for column, row in zip(x, y, strict=True):
        image += FLUX * np.outer(
            integrated(np.arange(shape[0]), row, fwhm_px),
            integrated(np.arange(shape[1]), column, fwhm_px),
        )
    return image.astype(np.float32)


def plain(image, mapping):
    ones, no_bits = np.ones_like(image), np.zeros(image.shape, np.uint16)
    return resample(image, ones, no_bits, mapping, mapping.shape)


def flux_and_place(image, x, y):
    """Sum and centroid of the light in a box around a place."""
    i, j = round(y), round(x)
    box = image[i - BOX : i + BOX + 1, j - BOX : j + BOX + 1].astype(float)
    span = np.arange(-BOX, BOX + 1)
    total = box.sum()
    return total, j + box.sum(0) @ span / total, i + box.sum(1) @ span / total


GEOMETRIES = {
    "half a pixel": {"shift": (0.5, -0.5)},
    "a third": {"shift": (0.33, 0.21)},
    "turned": {"angle_deg": 17.0, "shift": (1.4, 0.3)},
    "on its head": {"angle_deg": 180.0, "shift": (0.2, 0.4)},
    "mirrored": {"angle_deg": 90.0, "shift": (0.2, 0.4), "mirrored": True},
    "finer": {"scale": 0.7, "angle_deg": 3.0},
    "a little coarser": {"scale": 1.08},
    "coarser": {"scale": 1.4, "angle_deg": 1.0, "shift": (0.2, 0.1)},
}


@pytest.mark.slow
@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES.keys())
@pytest.mark.parametrize("fwhm_px", [1.8, 2.5, 6.0])
def test_stars_keep_flux_and_place(fwhm_px, geometry):
    rng = np.random.default_rng(5)
    at = np.array([60.0, 104.0, 155.0, 199.0])
    x, y = (v.ravel() + rng.uniform(-0.5, 0.5, 16) for v in np.meshgrid(at, at))
    matrix, offset = affine(**geometry)
    moved, _, _ = plain(painted(x, y, fwhm_px), mapping_of(matrix, offset))
    for place in np.column_stack([x, y]):
        to_x, to_y = np.linalg.solve(matrix, place - offset)
        if not (BOX < to_x < SIDE - BOX - 1 and BOX < to_y < SIDE - BOX - 1):
            continue
        flux, found_x, found_y = flux_and_place(moved, to_x, to_y)
        assert flux == pytest.approx(FLUX, rel=2e-3)
        assert math.hypot(found_x - to_x, found_y - to_y) < 0.02


def distorted_wcs(side):
    """A camera whose corners are drawn out by some 15 pixels."""
    wcs = tangent_wcs((side, side), turn_deg=0.4)
    a, b = np.zeros((4, 4)), np.zeros((4, 4))
    a[2, 0], a[0, 2], a[3, 0], a[1, 2] = 6e-6, 4e-6, 9e-9, 8e-9
    b[0, 2], b[1, 1], b[0, 3], b[2, 1] = -5e-6, 3e-6, 9e-9, 9e-9
    wcs.sip = Sip(a, b, None, None, wcs.wcs.crpix)
    wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    return wcs


def test_a_distorted_camera_is_followed_at_every_pixel():
    side = 1200
    plane, camera = tangent_wcs((side, side)), distorted_wcs(side)
    mapping = pixel_mapping(plane, camera, (side, side))
    y, x = np.mgrid[0:side:13, 0:side:13]
    there = camera.all_world2pix(*plane.all_pix2world(x, y, 0), 0, tolerance=1e-6)
    np.testing.assert_allclose(mapping.at(x, y), there, atol=1e-3)
    np.testing.assert_allclose(mapping.x[y, x], there[0], atol=1e-3)
    undistorted = tangent_wcs((side, side), turn_deg=0.4)
    bent = pixel_mapping(plane, undistorted, (side, side)).x - mapping.x
    assert np.abs(bent).max() > 5  # there is something to follow


def test_flux_is_conserved_under_distortion():
    side = 600
    rng = np.random.default_rng(2)
    x, y = rng.uniform(60, side - 60, (2, 8))
    camera, plane = distorted_wcs(side), tangent_wcs((side, side))
    image = painted(x, y, 3.0, (side, side))
    moved, _, _ = plain(image, pixel_mapping(plane, camera, (side, side)))
    assert moved.sum(dtype=float) == pytest.approx(8 * FLUX, rel=1e-3)


def test_reproject_agrees_where_pixels_are_alike():
    rng = np.random.default_rng(8)
    image = gaussian_filter(rng.normal(size=SHAPE), 1.2).astype(np.float32)
    one, other = tangent_wcs(SHAPE), tangent_wcs(SHAPE, turn_deg=7, scale_arcsec=1.02)
    moved, _, bits = plain(image, pixel_mapping(other, one, SHAPE))
    theirs, _ = reproject_interp((image, one), other, SHAPE, order="bicubic")
    ratio = pixel_mapping(other, one, SHAPE).area_ratio()
    # Beyond the border the two splines go on differently.
    border = np.ones(SHAPE, bool)
    border[10:-10, 10:-10] = False
    inner = (bits == 0) & ~missing_at(border, pixel_mapping(other, one, SHAPE))
    np.testing.assert_allclose(moved[inner], (theirs * ratio)[inner], atol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("geometry", "fwhm_px"),
    [
        ({"shift": (0.5, 0.5)}, 2.5),
        ({"angle_deg": 11.0}, 2.0),
        ({"scale": 0.8}, 2.5),
        ({"scale": 1.3}, 5.2),
    ],
)
def test_the_stated_variance_is_that_of_sums_on_the_scale_of_a_psf(geometry, fwhm_px):
    rng = np.random.default_rng(11)
    shape = (900, 900)
    noise = rng.normal(0, 3, shape).astype(np.float32)
    matrix, offset = affine(**geometry)
    # The middle of the mapping does not matter for noise.
    mapping = mapping_of(matrix, offset, (640, 640))
    moved, variance, bits = resample(
        noise, np.full_like(noise, 9), np.zeros(shape, np.uint16), mapping, (640, 640)
    )
    width = fwhm_px / 2.3548 / geometry.get("scale", 1.0)
    good = gaussian_filter((bits != 0).astype(float), 4 * width) < 1e-6
    sums = gaussian_filter(moved, width, truncate=6)
    expected = variance[good].mean() / (4 * math.pi * width**2)
    assert sums[good].var() == pytest.approx(expected, rel=0.03)
    assert moved[good].var() == pytest.approx(
        variance[good].mean() * pixel_power(mapping), rel=0.02
    )


def test_places_moved_by_a_field_are_there():
    mapping = mapping_of(*affine(angle_deg=20, shift=(3, 1)))
    moved = mapping.moved(lambda x, y: (0.01 * x - 1, 0.02 * y))
    x, y = np.array([0.0, 77.3, 259.0]), np.array([259.0, 12.0, 100.5])
    before, after = mapping.at(x, y), moved.at(x, y)
    np.testing.assert_allclose(after[0] - before[0], 0.01 * x - 1, atol=1e-9)
    np.testing.assert_allclose(after[1] - before[1], 0.02 * y, atol=1e-9)


def test_what_is_missing_is_told_by_the_nearest_pixel():
    rng = np.random.default_rng(3)
    bad = rng.random(SHAPE) < 0.05
    mapping = mapping_of(*affine(angle_deg=10, shift=(30.2, -4.1)))
    columns, rows = (np.rint(v).astype(int) for v in (mapping.x, mapping.y))
    inside = (columns >= 0) & (columns < SIDE) & (rows >= 0) & (rows < SIDE)
    expected = ~inside
    expected[inside] = bad[rows[inside], columns[inside]]
    assert np.array_equal(missing_at(bad, mapping), expected)


def test_the_number_of_threads_changes_no_bit(rng):
    image = rng.normal(size=SHAPE).astype(np.float32)
    mask = np.where(rng.random(SHAPE) < 0.01, MaskBit.BAD, 0).astype(np.uint16)
    mapping = mapping_of(*affine(angle_deg=2, scale=1.3))
    before = threads.threads()
    results = []
    try:
        for number in (1, 4):
            threads.set_threads(number)
            ones = np.ones_like(image)
            results.append(resample(image, ones, mask, mapping, SHAPE))
    finally:
        threads.set_threads(before)
    for one, four in zip(*results, strict=True):
        assert one.tobytes() == four.tobytes()


geometries = st.builds(
    affine,
    angle_deg=st.floats(-180, 180),
    scale=st.floats(0.7, 1.4),
    shift=st.tuples(st.floats(-9, 9), st.floats(-9, 9)),
    mirrored=st.booleans(),
)
seeds = st.integers(0, 2**31)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(seed=seeds, geometry=geometries, a=st.floats(-5, 5), b=st.floats(-5, 5))
def test_resampling_is_linear(seed, geometry, a, b):
    rng = np.random.default_rng(seed)
    one, other = rng.normal(size=(2, 90, 70)).astype(np.float32)
    mapping = mapping_of(*geometry, shape=(80, 100))
    both = np.float32(a) * one + np.float32(b) * other
    parts = a * plain(one, mapping)[0] + b * plain(other, mapping)[0]
    np.testing.assert_allclose(plain(both, mapping)[0], parts, atol=2e-4)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(geometry=geometries, fwhm_px=st.floats(2, 6))
def test_no_flux_is_lost(geometry, fwhm_px):
    image = painted([MIDDLE + 0.3], [MIDDLE - 0.4], fwhm_px)
    moved, _, _ = plain(image, mapping_of(*geometry))
    # Aliasing at a FWHM of two pixels takes up to 0.2 %.
    assert moved.sum(dtype=float) == pytest.approx(FLUX, rel=3e-3)


@settings(max_examples=25, deadline=None)
# The border runs almost along the grid's first row, and pixels are of four samples.
@pytest.mark.slow
@example(
    seed=0,
    geometry=affine(angle_deg=4.0, scale=1.1015625, shift=(-2.75, -17.75)),
    poison=np.nan,
    bit=0,
)
@given(
    seed=seeds,
    geometry=geometries,
    poison=st.sampled_from([np.nan, np.inf, -np.inf, 3e38, -1e35]),
    bit=st.sampled_from([0, MaskBit.SATURATED, MaskBit.COSMIC_RAY, MaskBit.NO_DATA]),
)
def test_poison_anywhere_stays_in_its_mask(seed, geometry, poison, bit):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=SHAPE).astype(np.float32)
    variance = np.full(SHAPE, 4, np.float32)
    mask = np.zeros(SHAPE, np.uint16)
    struck = rng.random(SHAPE) < 0.002
    image[struck], mask[struck] = poison, bit
    if seed % 2 and not np.isfinite(poison):
        variance[struck] = poison
    mapping = mapping_of(*geometry)
    moved, moved_variance, bits = resample(image, variance, mask, mapping, SHAPE)
    assert np.isfinite(moved).all()
    assert (moved_variance > 0).all()
    assert np.isfinite(moved_variance).all()
    # Nothing larger than noise gets out, and what is struck is marked.
    assert np.abs(moved).max() < 30
    near = missing_at(struck, mapping)
    assert ((bits & UNUSABLE) != 0)[near].all()
    # The spline reaches two pixels of the image, the samples of a pixel a little more:
    # those of the widest one lie two thirds of a pixel of the image from its middle.
    matrix, offset = geometry
    middles = matrix @ np.indices(SHAPE)[::-1].reshape(2, -1) + offset[:, None]
    border = ((middles < 0.2) | (middles > SIDE - 1.2)).any(axis=0).reshape(SHAPE)
    near_struck = np.asarray(maximum_filter(struck, size=7), dtype=bool)
    within = missing_at(near_struck, mapping) | border
    leaning = (bits & (UNUSABLE | MaskBit.INTERPOLATED)) != 0
    assert not leaning[~within].any()
