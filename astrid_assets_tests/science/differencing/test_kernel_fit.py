"""Alard & Lupton's kernel: an independent way to the same difference."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from scipy.signal import fftconvolve

from astrid_assets.science.differencing.kernel_fit import matching_blurs
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.errors import TooFewStars
from astrid_assets.science.simulation.pair import simulate_pair

SHAPE = (256, 256)
CASES = {
    "reference sharper": {},
    "science sharper": {"science_fwhm_px": 2.6, "reference_fwhm_px": 3.4},
    "crossed": {
        "science_ellipticity": (0.12, 0.0),
        "reference_ellipticity": (-0.12, 0.0),
    },
    "varying": {"psf_variation": 0.08},
}


@functools.cache
def pair_of(case):
    return simulate_pair(
        11, (448, 448), n_transients=12, snr_range=(8, 40), negative_fraction=0.3, **CASES[case]
    )


def gaussian(fwhm, size=25):
    r = np.arange(size) - size // 2
    g = np.exp(-0.5 * (r * 2.3548 / fwhm) ** 2)
    return (np.outer(g, g) / g.sum() ** 2).astype(np.float32)


def noiseless(rng, fwhms=(3.5, 2.5)):
    """Two images of the same stars with Gaussian PSFs, and where the stars are."""
    x, y = rng.integers(40, 216, (2, 24))
    images = []
    for fwhm in fwhms:
        image = np.zeros(SHAPE, np.float32)
        for at_x, at_y in zip(x, y, strict=True):
            image[at_y - 12 : at_y + 13, at_x - 12 : at_x + 13] += 1e5 * gaussian(fwhm)
        images.append(image)
    return images, x.astype(float), y.astype(float)


def blurs_of(images, x, y, fwhms):
    variance, usable = np.full(SHAPE, 400, np.float32), np.ones(SHAPE, dtype=bool)
    stamps = gaussian(fwhms[0])[None]
    science, reference = images
    return matching_blurs(science, reference, variance, usable, x, y, stamps, fwhms)


def test_the_kernel_turns_one_gaussian_into_the_other(rng):
    images, x, y = noiseless(rng)
    blurs = blurs_of(images, x, y, (3.5, 2.5))
    kernel = blurs.reference[0]
    assert kernel.sum() == pytest.approx(1, abs=1e-3)
    # Frequencies that no star has are free: the kernel itself is not compared.
    blurred = fftconvolve(gaussian(2.5, 61), kernel, mode="same")
    wanted = gaussian(3.5, 61)
    assert np.abs(blurred - wanted).max() < 1e-3 * wanted.max()
    # The other image stays as it is, and nothing changes over the frame.
    assert blurs.science[0].sum() == blurs.science[0].max() == 1
    for slope in blurs.reference[1:]:
        change = fftconvolve(gaussian(2.5, 61), slope, mode="same")
        assert np.abs(change).max() < 1e-3 * wanted.max()


def test_the_sharper_image_is_the_one_that_is_blurred(rng):
    images, x, y = noiseless(rng, (2.5, 3.5))
    blurs = blurs_of(images, x, y, (2.5, 3.5))
    assert blurs.reference[0].max() == 1
    assert blurs.science[0].max() < 0.3


def test_without_stars_inside_the_frame_there_is_no_kernel(rng):
    images, x, y = noiseless(rng)
    with pytest.raises(TooFewStars):
        blurs_of(images, x[:2], y[:2], (3.5, 2.5))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_both_methods_agree_within_their_errors(case):
    pair = pair_of(case)
    zogy, kernel = (
        subtract(pair.science, pair.reference, DifferencingSettings(method=method))
        for method in ("zogy", "kernel")
    )
    for d in (zogy, kernel):
        assert d.is_accepted
        assert d.std_score == pytest.approx(1, abs=0.05)
    apart = []
    for t in pair.transients:
        at = round(t.y), round(t.x)
        apart.append((zogy.flux[at] - kernel.flux[at]) / zogy.flux_err[at])
        assert kernel.flux_err[at] == pytest.approx(zogy.flux_err[at], rel=0.06)
    # Some thirty stars give the kernel; transients reach 40 sigma.
    assert np.abs(apart).max() < 1
    assert np.sqrt(np.mean(np.square(apart))) < 0.4
