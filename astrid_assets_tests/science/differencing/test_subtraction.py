"""The whole subtraction against simulated pairs of known truth."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.errors import FrameRejected, TooFewStars
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.simulation.pair import simulate_pair

SETTINGS = DifferencingSettings()
SHAPE = (448, 448)

CASES = {
    "reference sharper": {},
    "science sharper": {"science_fwhm_px": 2.6, "reference_fwhm_px": 3.4},
    "shifted": {"shift_px": (7.3, -4.6)},
    "half a pixel, no deeper": {"shift_px": (0.5, 0.5), "reference_exposures": 1},
    "thin clouds": {"flux_ratio": 0.6, "shift_px": (0.4, 0.2)},
    "crowded": {"stars_per_mpx": 12000.0},
    "crossed ellipses": {
        "science_ellipticity": (0.12, 0.0),
        "reference_ellipticity": (-0.12, 0.0),
    },
}


@functools.cache
def blank_pair(seed=1, **options):
    return simulate_pair(seed, SHAPE, n_transients=0, **options)


def moved_wcs(frame, dx, dy):
    wcs = frame.wcs.deepcopy()
    wcs.wcs.crpix = wcs.wcs.crpix + np.array([dx, dy])
    wcs.wcs.set()
    return replace(frame, wcs=wcs)


def peak_score(difference, transient):
    x, y = round(transient.x), round(transient.y)
    near = difference.score[y - 1 : y + 2, x - 1 : x + 2]
    return float(near.flat[np.abs(near).argmax()])


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_score_of_blank_sky_has_unit_scatter(case):
    pair = blank_pair(**CASES[case])
    d = subtract(pair.science, pair.reference, SETTINGS)
    assert d.std_score == pytest.approx(1, abs=0.03)
    assert d.is_accepted


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_score_of_a_transient_is_its_theoretical_signal_to_noise(case):
    ratios = []
    for seed in (4, 5):
        pair = simulate_pair(seed, (384, 384), snr_range=(12, 40), **CASES[case])
        d = subtract(pair.science, pair.reference, SETTINGS)
        ratios += [peak_score(d, t) / t.snr for t in pair.transients]
    # 50 sources of S/N 22: the mean is known to 0.7 %; pixels miss a peak by 1 %.
    assert np.mean(ratios) == pytest.approx(0.99, abs=0.03)


@pytest.mark.slow
def test_the_flux_of_a_transient_comes_out_in_science_electrons():
    pair = simulate_pair(6, SHAPE, snr_range=(20, 50), flux_ratio=0.5)
    d = subtract(pair.science, pair.reference, SETTINGS)
    ratios = [
        d.flux[round(t.y), round(t.x)] / t.flux_e
        for t in pair.transients
        if np.hypot(t.x - round(t.x), t.y - round(t.y)) < 0.4
    ]
    assert np.mean(ratios) == pytest.approx(0.98, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [0.4, 1.0, 2.2])
def test_the_flux_ratio_is_measured_from_the_stars(ratio):
    pair = blank_pair(flux_ratio=ratio)
    # The zero points know it too, and must not be what is used.
    lost = replace(pair.science, zero_point_mag=None)
    d = subtract(lost, pair.reference, SETTINGS)
    assert d.flux_ratio == pytest.approx(ratio, rel=0.01)
    assert d.limiting_mag is None


@pytest.mark.slow
def test_transients_do_not_pull_the_flux_ratio():
    pair = simulate_pair(10, SHAPE, stars_per_mpx=400.0, snr_range=(15, 50))
    d = subtract(pair.science, pair.reference, SETTINGS)
    assert d.flux_ratio == pytest.approx(1, rel=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("offset", [(0.3, -0.2), (1.2, 0.7)])
def test_an_offset_the_wcs_does_not_know_is_measured_and_corrected(offset):
    pair = blank_pair()
    d = subtract(moved_wcs(pair.science, *offset), pair.reference, SETTINGS)
    assert d.offset_px == pytest.approx(np.hypot(*offset), abs=0.03)
    assert d.std_score == pytest.approx(1, abs=0.03)
    assert (np.abs(d.score) > 6).sum() < 10


@pytest.mark.slow
def test_a_wcs_that_is_far_off_is_a_reason():
    pair = blank_pair()
    settings = DifferencingSettings(max_offset_px=0.5)
    d = subtract(moved_wcs(pair.science, 1.0, 0.0), pair.reference, settings)
    assert [r.code for r in d.reasons] == ["misregistered"]


@pytest.mark.slow
def test_bright_stars_leave_no_flood_of_false_candidates():
    pixels = 0
    for seed in range(3):
        pair = blank_pair(seed, jitter_px=0.08, shift_px=(0.3, 0.4))
        d = subtract(pair.science, pair.reference, SETTINGS)
        inner = (d.mask & MaskBit.EDGE) == 0
        pixels += int((np.abs(d.score[inner]) > 5).sum())
    # A kept false candidate covers some ten pixels; 0.6 Mpx were searched.
    assert pixels < 30


@pytest.mark.slow
def test_stars_that_scatter_widen_the_astrometric_noise():
    d = subtract(blank_pair(jitter_px=0.15).science, blank_pair().reference, SETTINGS)
    assert d.astrometric_noise_px == pytest.approx(0.15, abs=0.05)


@pytest.mark.slow
def test_local_psfs_beat_one_psf_where_it_varies():
    pair = blank_pair(2, psf_variation=0.12)
    one = subtract(pair.science, pair.reference, DifferencingSettings(psf_tolerance=9))
    local = subtract(pair.science, pair.reference, SETTINGS)
    assert local.psf_error < one.psf_error / 3
    assert local.std_score == pytest.approx(1, abs=0.03)


@pytest.mark.slow
def test_bad_pixels_score_zero_and_do_not_spread():
    pair = blank_pair()
    struck, mask = pair.science.data.copy(), pair.science.mask.copy()
    struck[200:203, 300:340], mask[200:203, 300:340] = 1e5, MaskBit.TRAIL
    struck[50, 60], mask[50, 60] = 1e6, MaskBit.COSMIC_RAY
    hurt = subtract(replace(pair.science, data=struck, mask=mask), pair.reference, SETTINGS)
    whole = subtract(pair.science, pair.reference, SETTINGS)
    assert not hurt.score[(hurt.mask & UNUSABLE) != 0].any()
    assert hurt.mask[198, 320] & MaskBit.TRAIL
    changed = np.abs(hurt.score - whole.score) > 1.0
    outside = (hurt.mask & UNUSABLE) == 0
    # What is filled differs from the truth by noise; one FWHM away it is forgotten.
    assert (changed & outside).sum() < 60
    assert np.abs(hurt.score[outside]).max() < 6.5


def test_read_out_bands_and_a_warm_column_are_taken_off(rng):
    pair = blank_pair()
    bands = rng.normal(0, 8, (SHAPE[0], 1)).astype(np.float32)
    spoiled = pair.science.data + bands
    spoiled[:, 333] += 30
    d = subtract(replace(pair.science, data=spoiled), pair.reference, SETTINGS)
    assert d.std_score == pytest.approx(1, abs=0.05)
    assert np.abs(np.median(d.score[:, 333])) < 0.5


@pytest.mark.slow
def test_correlated_detector_noise_is_measured_and_reported(rng):
    pair = blank_pair()
    sigma = pair.science.sky_rms_e
    assert sigma is not None
    assert pair.science.variance is not None
    white = rng.normal(0, 3 * sigma, (SHAPE[0], SHAPE[1] + 1))
    extra = (white[:, :-1] - 0.5 * white[:, 1:]) / np.sqrt(1.25)
    noisy = replace(
        pair.science,
        data=(pair.science.data + extra).astype(np.float32),
        variance=(pair.science.variance + 9 * sigma**2).astype(np.float32),
    )
    d = subtract(noisy, pair.reference, SETTINGS)
    assert d.std_score == pytest.approx(1, abs=0.05)
    assert "correlated_noise" in [f.code for f in d.flags]


@pytest.mark.slow
def test_overestimated_variances_are_reported_not_divided_out():
    pair = blank_pair()
    assert pair.science.variance is not None
    loud = replace(pair.science, variance=pair.science.variance * np.float32(9))
    d = subtract(loud, pair.reference, SETTINGS)
    assert d.std_score < 0.5
    assert [r.code for r in d.reasons] == ["overestimated_noise"]


@pytest.mark.slow
def test_a_reference_of_a_corner_covers_a_corner():
    pair = blank_pair()
    reference = pair.reference
    assert reference.variance is not None
    assert reference.psf is not None
    d = subtract(
        pair.science,
        replace(
            reference,
            data=reference.data[:300, :300].copy(),
            variance=reference.variance[:300, :300].copy(),
            mask=reference.mask[:300, :300].copy(),
            psf=replace(reference.psf, frame_shape=(300, 300)),
        ),
        DifferencingSettings(min_coverage=0.5),
    )
    assert d.coverage == pytest.approx(300**2 / 448**2, abs=0.01)
    assert [r.code for r in d.reasons] == ["low_coverage"]
    assert not d.score[310:, :].any()
    assert d.area_deg2 == pytest.approx((d.mask & UNUSABLE == 0).sum() / 3600**2, rel=1e-6)


def test_frames_without_common_stars_are_refused():
    pair = blank_pair(stars_per_mpx=0.0)
    with pytest.raises(TooFewStars):
        subtract(pair.science, pair.reference, SETTINGS)


@pytest.mark.parametrize("name", ["variance", "psf", "wcs"])
def test_an_unprocessed_frame_is_refused(name):
    pair = blank_pair()
    with pytest.raises(FrameRejected) as caught:
        subtract(replace(pair.science, **{name: None}), pair.reference, SETTINGS)
    assert caught.value.code == "unprocessed"


def test_a_frame_without_any_good_pixel_is_refused():
    pair = blank_pair()
    dead = replace(pair.science, mask=np.full(SHAPE, int(MaskBit.NO_DATA), dtype=np.uint16))
    with pytest.raises(FrameRejected) as caught:
        subtract(dead, pair.reference, SETTINGS)
    assert caught.value.code == "no_overlap"


@pytest.mark.slow
def test_the_limiting_magnitude_is_that_of_a_5_sigma_source():
    pair = simulate_pair(7, SHAPE, snr_range=(5, 5.1), n_transients=10)
    d = subtract(pair.science, pair.reference, SETTINGS)
    mags = [pair.science.zero_point_mag - 2.5 * np.log10(t.flux_e) for t in pair.transients]
    assert d.limiting_mag == pytest.approx(np.mean(mags), abs=0.05)


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes():
    pair = blank_pair()
    first, second = (subtract(pair.science, pair.reference, SETTINGS) for _ in range(2))
    assert first.score.tobytes() == second.score.tobytes()
    assert first.d.tobytes() == second.d.tobytes()
    for image in (first.d, first.score, first.flux, first.flux_err):
        assert image.dtype == np.float32
