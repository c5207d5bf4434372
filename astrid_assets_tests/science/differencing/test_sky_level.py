"""The level of the sky between two images, measured on every second pixel."""

import numpy as np
import pytest

from astrid_assets.science.arrays.threads import in_bands
from astrid_assets.science.differencing import sky_kernels
from astrid_assets.science.differencing.sky_match import sky_difference


def gaussian_stamp(fwhm_px, size=25):
    r = np.arange(size) - size // 2
    g = np.exp(-0.5 * (r * 2.3548 / fwhm_px) ** 2)
    return (np.outer(g, g) / g.sum() ** 2).astype(np.float32)


@pytest.mark.parametrize("shape", [(96, 130), (97, 129), (96, 129), (97, 130)])
def test_a_plane_is_doubled_exactly_within_its_pixels(shape):
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    plane = 3 + 0.25 * x - 0.5 * y
    out = np.empty(shape, dtype=np.float32)
    halved = np.ascontiguousarray(plane[::2, ::2])
    in_bands(lambda a, b: sky_kernels.double(halved, out, a, b), shape[0])
    inner = slice(0, shape[0] - 1), slice(0, shape[1] - 1)
    np.testing.assert_allclose(out[inner], plane[inner], rtol=1e-6)


@pytest.mark.parametrize("shape", [(300, 411), (301, 410)])
def test_a_level_is_found_and_stars_of_both_images_are_not(shape, rng):
    psf_science, psf_reference = gaussian_stamp(2.4), gaussian_stamp(3.6)
    science, reference = (rng.normal(0, 1, shape).astype(np.float32) for _ in range(2))
    for y, x in rng.integers(30, 270, (40, 2)):
        half = len(psf_science) // 2
        for image, psf in ((science, psf_science), (reference, psf_reference)):
            image[y - half : y + half + 1, x - half : x + half + 1] += 3000 * psf
    science += np.float32(7)
    found = sky_difference(
        science, reference, psf_science, psf_reference, np.zeros(shape, dtype=bool), np.sqrt(2)
    )
    assert found.shape == shape
    # 3 sigma of a mesh of 128 pixels a side, and the clipping's own error.
    assert np.median(found) == pytest.approx(7, abs=0.05)
    assert np.abs(found - 7).max() < 0.3
