"""The pair: noise, flux, PSF, WCS and theoretical S/N are what it says they are."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.simulation.optimal import difference_snr, single_image_snr
from astrid_assets.science.simulation.pair import SimulatedPair, simulate_pair
from astrid_assets.science.simulation.point_spread import PsfField


def _textbook_score(pair: SimulatedPair) -> np.ndarray:
    """ZOGY's S / sigma(S) for blank sky, written independently with the true PSFs."""
    new, ref = pair.science, pair.reference
    shape = new.shape

    def transform(psf: np.ndarray) -> np.ndarray:
        padded = np.zeros(shape)
        padded[: psf.shape[0], : psf.shape[1]] = psf
        half = psf.shape[0] // 2
        return np.fft.fft2(np.roll(padded, (-half, -half), (0, 1)))

    pn, pr = (
        transform(pair.science_psf.centre()),
        transform(pair.reference_psf.centre()),
    )
    n, r = np.fft.fft2(new.data), np.fft.fft2(ref.data)
    assert new.sky_rms_e is not None
    assert ref.sky_rms_e is not None
    fr = 1 / pair.flux_ratio
    bottom = ref.sky_rms_e**2 * abs(pn) ** 2 + new.sky_rms_e**2 * fr**2 * abs(pr) ** 2
    bottom = np.maximum(bottom, bottom.max() * 1e-12)
    s = (fr**2 * np.conj(pn) * abs(pr) ** 2 * n - fr * np.conj(pr) * abs(pn) ** 2 * r) / bottom
    response = (fr**2 * abs(pn) ** 2 * abs(pr) ** 2 / bottom).mean()
    return np.fft.ifft2(s).real / np.sqrt(response)


def test_the_blank_sky_of_a_textbook_subtraction_is_white_noise_of_unit_sigma():
    pair = simulate_pair(3, stars_per_mpx=300, flux_ratio=0.7, n_transients=0)
    score = _textbook_score(pair)
    assert pair.science.variance is not None
    is_blank = pair.science.variance < 1.05 * np.median(pair.science.variance)
    assert np.std(score[is_blank]) == pytest.approx(1, abs=0.02)


@pytest.mark.slow
def test_the_theoretical_snr_is_what_a_textbook_subtraction_finds():
    ratios = []
    for seed in range(4):
        pair = simulate_pair(
            seed, stars_per_mpx=300, flux_ratio=0.8, snr_range=(8, 12), negative_fraction=0.5
        )
        score = _textbook_score(pair)
        # Blank-sky units; photon noise of so faint a source changes them little,
        # a peak between pixels lowers them by a few percent.
        ratios += [score[round(t.y), round(t.x)] / t.snr for t in pair.transients]
    assert np.mean(ratios) == pytest.approx(1.04, abs=0.05)
    assert np.std(ratios) == pytest.approx(0.1, abs=0.04)


@pytest.mark.slow
def test_positions_on_both_frames_agree_with_both_wcs():
    pair = simulate_pair(5, shift_px=(3.4, -7.2))
    for t in pair.transients:
        for frame, x, y in (
            (pair.science, t.x, t.y),
            (pair.reference, t.reference_x, t.reference_y),
        ):
            assert frame.wcs is not None
            found = frame.wcs.all_world2pix(t.ra_deg, t.dec_deg, 0)
            assert np.hypot(found[0] - x, found[1] - y) < 1e-6


def test_a_bright_star_lies_where_the_truth_says_with_the_flux_it_says():
    pair = simulate_pair(7, stars_per_mpx=40, n_transients=0, faintest_flux_e=20_000)
    apart = [
        i
        for i, (x, y) in enumerate(zip(pair.stars_x, pair.stars_y, strict=True))
        if 30 < x < 480
        and 30 < y < 480
        and np.sort(np.hypot(pair.stars_x - x, pair.stars_y - y))[1] > 45
    ]
    assert apart
    for i in apart:
        column, row = round(pair.stars_x[i]), round(pair.stars_y[i])
        cut = pair.science.data[row - 20 : row + 21, column - 20 : column + 21]
        grid = np.arange(-20, 21)
        flux = cut.sum(dtype=float)
        noise = np.sqrt(cut.size * 436 + flux)
        assert abs(flux - pair.stars_flux_e[i]) < 4.5 * noise
        weight = cut * (np.hypot(*np.meshgrid(grid, grid)) < 8)
        mean_x = column + (weight.sum(axis=0) * grid).sum() / weight.sum()
        assert mean_x == pytest.approx(pair.stars_x[i], abs=0.15)


def test_variance_is_the_scatter_of_the_noise():
    pulls = []
    for seed in (1, 2):
        pair = simulate_pair(seed, stars_per_mpx=0, n_transients=0)
        for frame in (pair.science, pair.reference):
            assert frame.variance is not None
            pulls.append(frame.data / np.sqrt(frame.variance))
    assert np.std(pulls) == pytest.approx(1, abs=0.005)
    assert np.mean(pulls) == pytest.approx(0, abs=0.01)


def test_the_same_seed_makes_the_same_pair_and_another_seed_another_one():
    first, again, other = (simulate_pair(s, (128, 128), n_transients=3) for s in (1, 1, 2))
    assert np.array_equal(first.science.data, again.science.data)
    assert first.transients == again.transients
    assert not np.array_equal(first.science.data, other.science.data)


@pytest.mark.slow
def test_transients_are_apart_from_each_other():
    pair = simulate_pair(13, n_transients=60)
    x, y = np.array([(t.x, t.y) for t in pair.transients]).T
    distance = np.hypot(x[:, None] - x, y[:, None] - y) + np.eye(60) * 99
    assert distance.min() > 12


@pytest.mark.slow
def test_too_many_transients_for_the_frame_are_refused_with_numbers():
    with pytest.raises(ValueError, match="on 64 x 64 pixels, 90 wanted"):
        simulate_pair(1, (64, 64), n_transients=90)


def test_the_difference_snr_meets_the_single_image_snr_for_a_deep_reference():
    psf = PsfField(frame_shape=(64, 64), fwhm_px=3.0).centre()
    sharper = PsfField(frame_shape=(64, 64), fwhm_px=2.0).centre()
    alone = single_image_snr(900, psf, 20)
    assert difference_snr(900, psf, sharper, 20, 1e-3) == pytest.approx(alone, rel=0.01)
    assert difference_snr(900, psf, psf, 20, 20) < 0.75 * alone
