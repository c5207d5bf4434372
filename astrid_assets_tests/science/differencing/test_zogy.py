"""ZOGY's products against the paper's statements and independent formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from astrid_assets.science.differencing.filters import Noises
from astrid_assets.science.differencing.local_psf import at, local_psfs
from astrid_assets.science.differencing.zogy import match
from astrid_assets.science.errors import ShapeMismatch

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image

SHAPE = (256, 240)
SIGMA_N, SIGMA_R = 10.0, 7.0


def gaussian(fwhm, size=31):
    r = np.arange(size) - size // 2
    g = np.exp(-0.5 * (r * 2.3548 / fwhm) ** 2)
    return (np.outer(g, g) / g.sum() ** 2).astype(np.float32)


PN, PR = gaussian(3.4), gaussian(2.6)


def noisy(rng, sigma):
    return rng.normal(0, sigma, SHAPE).astype(np.float32)


def run(science, reference, science_variance=None, **options):
    usual: dict[str, Any] = {"science": SIGMA_N, "reference": SIGMA_R}
    noises = Noises(**(usual | options))
    flat = np.full(SHAPE, SIGMA_N**2, np.float32)
    return match(
        science,
        reference,
        PN[None],
        PR[None],
        flat if science_variance is None else science_variance,
        np.full(SHAPE, SIGMA_R**2, np.float32),
        noises,
    )


def flat_variances() -> tuple[Image, Image]:
    return np.full(SHAPE, SIGMA_N**2, np.float32), np.full(SHAPE, SIGMA_R**2, np.float32)


def add(image, psf, flux, x, y):
    h = psf.shape[0] // 2
    image[y - h : y + h + 1, x - h : x + h + 1] += flux * psf
    return image


def test_the_difference_of_pure_noise_is_white_with_the_noise_of_the_paper(rng):
    d = run(noisy(rng, SIGMA_N), noisy(rng, SIGMA_R)).d
    # D has unit variance and F_D = 1 / sqrt(sigma_n² + sigma_r²).
    assert d.std() == pytest.approx(np.hypot(SIGMA_N, SIGMA_R), rel=0.01)
    power = np.abs(np.fft.fft2(d)) ** 2
    fy, fx = np.meshgrid(np.fft.fftfreq(SHAPE[0]), np.fft.fftfreq(SHAPE[1]), indexing="ij")
    radius = np.hypot(fx, fy)
    low, high = power[radius < 0.15].mean(), power[radius > 0.35].mean()
    assert low == pytest.approx(high, rel=0.08)


def test_the_score_of_pure_noise_has_unit_scatter(rng):
    scatter = []
    for _ in range(4):
        m = run(noisy(rng, SIGMA_N), noisy(rng, SIGMA_R))
        scatter.append(((m.flux_science - m.flux_reference) / np.sqrt(m.variance)).std())
    assert np.mean(scatter) == pytest.approx(1, abs=0.02)


def test_swapping_the_pair_flips_the_sign_exactly(rng):
    for psfs in ((PN[None], PR[None]), field_psfs()):
        sky = noisy(rng, SIGMA_N), noisy(rng, SIGMA_R)
        noise = flat_variances()
        there = match(*sky, *psfs, *noise, Noises(SIGMA_N, SIGMA_R))
        swapped = sky[1], sky[0], psfs[1], psfs[0], noise[1], noise[0]
        back = match(*swapped, Noises(SIGMA_R, SIGMA_N))
        assert (back.d == -there.d).all()
        assert (back.flux == -there.flux).all()
        assert (back.variance == there.variance).all()


def field_psfs(tolerance=0.01):
    """PSFs whose width changes by 20 % over the frame, differently in both images."""

    def science(x, y):
        return np.array([gaussian(3.4 * (1 + 0.1 * (2 * a / 239 - 1))) for a in x])

    def reference(x, y):
        return np.array([gaussian(2.6 * (1 + 0.1 * (2 * b / 255 - 1) ** 2)) for b in y])

    stamps = local_psfs(science, reference, SHAPE, tolerance)
    return stamps[0], stamps[1]


def test_constant_stars_vanish_everywhere_though_the_psf_changes():
    psfs = field_psfs()
    assert len(psfs[0]) == 6
    images = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    places = [(30, 40), (120, 128), (205, 30), (200, 220)]
    for image, stamps in zip(images, psfs, strict=True):
        for x, y in places:
            add(image, at(stamps, x, y, SHAPE), 1e5, x, y)
    flat = flat_variances()
    m = match(*images, *psfs, *flat, Noises(SIGMA_N, SIGMA_R))
    # The best constant PSFs leave several thousand; what is left here is the change
    # of the PSF over its own width.
    assert np.abs(m.flux).max() < 150
    alone = match(images[0], np.zeros(SHAPE, np.float32), *psfs, *flat, Noises(SIGMA_N, SIGMA_R))
    for x, y in places:
        assert alone.flux[y, x] == pytest.approx(1e5, rel=1e-3)


def test_a_new_source_has_the_psf_of_the_difference_of_its_place():
    psfs = field_psfs()
    flat = flat_variances()
    for x, y in [(25, 30), (120, 128), (210, 225)]:
        science = add(np.zeros(SHAPE, np.float32), at(psfs[0], x, y, SHAPE), 1e5, x, y)
        nothing = np.zeros(SHAPE, np.float32)
        m = match(science, nothing, *psfs, *flat, Noises(SIGMA_N, SIGMA_R))
        assert m.psf_d_changes is not None
        terms = np.concatenate([m.psf_d[None], m.psf_d_changes])
        seen = m.d[y - 15 : y + 16, x - 15 : x + 16]
        left = [
            np.abs(seen - 1e5 * psf).max() / seen.max() for psf in (at(terms, x, y, SHAPE), m.psf_d)
        ]
        assert left[0] < 0.01
        assert left[1] > 0.05 or (x, y) == (120, 128)


@pytest.mark.slow
def test_the_score_of_noise_has_unit_scatter_everywhere_though_the_psf_changes(rng):
    scores = []
    flat = flat_variances()
    for _ in range(8):
        sky = noisy(rng, SIGMA_N), noisy(rng, SIGMA_R)
        m = match(*sky, *field_psfs(), *flat, Noises(SIGMA_N, SIGMA_R))
        scores.append(m.flux / np.sqrt(m.variance))
    power = np.mean(np.square(scores), axis=0)
    # Some 400 independent values per quarter and image, eight images.
    for rows in (slice(15, 128), slice(128, -15)):
        for columns in (slice(15, 120), slice(120, -15)):
            assert power[rows, columns].mean() == pytest.approx(1, abs=0.06)


def test_a_new_source_appears_as_its_flux_times_the_psf_of_the_difference():
    science = add(np.zeros(SHAPE, np.float32), PN, 5000.0, 120, 130)
    m = run(science, np.zeros(SHAPE, np.float32))
    psf = m.psf_d
    assert m.psf_d.sum() == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(m.d[115:146, 105:136], 5000 * psf, atol=3)
    assert m.flux_science[130, 120] == pytest.approx(5000, rel=1e-3)


def test_a_constant_star_vanishes_whatever_its_brightness():
    science = add(np.zeros(SHAPE, np.float32), PN, 1e6, 120, 130)
    reference = add(np.zeros(SHAPE, np.float32), PR, 1e6, 120, 130)
    m = run(science, reference)
    # The star's own photon noise is 276 electrons in its brightest pixel.
    assert np.abs(m.d).max() < 2e-5 * 1e6
    assert np.abs(m.flux_science - m.flux_reference).max() < 1e-5 * 1e6


def corner(stamp):
    image = np.zeros(SHAPE)
    image[:31, :31] = stamp
    return np.roll(image, (-15, -15), axis=(0, 1))


def test_the_error_is_that_of_the_optimal_filter_by_another_way():
    m = run(np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32))
    # Eq. 12: the S/N² per flux² is the sum of |P_n P_r|² over the noise, here in
    # double precision and without rfft.
    pn = np.abs(np.fft.fft2(corner(PN))) ** 2
    pr = np.abs(np.fft.fft2(corner(PR))) ** 2
    information = (pn * pr / (SIGMA_N**2 * pr + SIGMA_R**2 * pn + 1e-30)).mean()
    np.testing.assert_allclose(np.sqrt(m.variance), information**-0.5, rtol=1e-3)


def test_source_noise_enters_only_around_the_source():
    variance = np.full(SHAPE, SIGMA_N**2, np.float32)
    bright = add(variance.copy(), PN, 1e5, 120, 130)
    plain = run(np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32))
    noisier = run(np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32), science_variance=bright)
    # V(S_n) is V(N) convolved with k_n²; PSF photometry of a star of flux f with a
    # noiseless reference would give f * sum(P³) / sum(P²)².
    assert noisier.variance[130, 120] > 2 * plain.variance[130, 120]
    assert noisier.variance[30, 30] == pytest.approx(plain.variance[30, 30], rel=1e-3)


def test_noise_of_a_known_spectrum_still_scores_unit_scatter(rng):
    # Neighbours along x anticorrelated: white noise w[i] - 0.5 w[i+1].
    white = rng.normal(0, SIGMA_N, (SHAPE[0], SHAPE[1] + 1))
    science = ((white[:, :-1] - 0.5 * white[:, 1:]) / np.sqrt(1.25)).astype(np.float32)
    rho = -0.5 / 1.25

    def power(shape):
        kx = np.fft.rfftfreq(shape[1])
        return np.ones(shape[0]), 1 + 2 * rho * np.cos(2 * np.pi * kx)

    reference = noisy(rng, SIGMA_R)
    right = run(science, reference, science_power=power)
    wrong = run(science, reference)
    assert scatter_of(right) == pytest.approx(1, abs=0.04)
    assert scatter_of(wrong) < 0.85


def scatter_of(m):
    return ((m.flux_science - m.flux_reference) / np.sqrt(m.variance))[20:-20, 20:-20].std()


def test_images_of_different_shape_are_refused():
    with pytest.raises(ShapeMismatch):
        run(np.zeros(SHAPE, np.float32), np.zeros((8, 8), np.float32))
