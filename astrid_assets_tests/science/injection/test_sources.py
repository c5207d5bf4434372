"""What is injected is what theory promises, and what comes back is judged right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from astrid_assets.science.arrays.intervals import upper_bound
from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.science.detection.sources import detect
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.injection.recovery import half_found_snr, recover
from astrid_assets.science.injection.sources import (
    Injections,
    extended_sources,
    flux_of_snr,
    inject,
    plan_injections,
)
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.settings import InjectionSettings
from astrid_assets.science.simulation.pair import simulate_pair
from astrid_assets.science.stars.measurement import empty_stars

SETTINGS = InjectionSettings(per_frame=40, min_snr=3, max_snr=50, galaxy_share=0.5)
NOWHERE = np.empty((0, 2))


@pytest.fixture(scope="module")
def pair():
    return simulate_pair(5, (512, 512), n_transients=0, stars_per_mpx=1500)


@pytest.fixture(scope="module")
def difference(pair):
    return subtract(pair.science, pair.reference, DifferencingSettings())


@pytest.fixture(scope="module")
def planned(pair, difference) -> Injections:
    rng = np.random.default_rng(2)
    return plan_injections(rng, pair.science, difference, NOWHERE, SETTINGS)


@pytest.fixture(scope="module")
def injected(pair, planned):
    return inject(np.random.default_rng(3), pair.science, planned)


@pytest.fixture(scope="module")
def recovery(pair, planned, injected):
    again = subtract(injected, pair.reference, DifferencingSettings())
    found = detect(again, injected, DetectionSettings())
    return recover(planned, found, pair.science.psf.fwhm_px)


def test_injections_lie_apart_and_on_good_pixels(pair, difference, planned):
    fwhm = pair.science.psf.fwhm_px
    places = np.column_stack([planned.x, planned.y])
    apart = np.hypot(*(places[:, None] - places[None]).T)
    assert (apart[~np.eye(len(places), dtype=bool)] > 6 * fwhm).all()
    rows, columns = np.rint(planned.y).astype(int), np.rint(planned.x).astype(int)
    assert not (difference.mask[rows, columns] & UNUSABLE).any()
    assert len(planned) == SETTINGS.per_frame


def test_bright_injections_come_back_with_their_significance(planned, recovery):
    sure = np.abs(planned.snr) >= 10
    assert recovery.found[sure].mean() >= 0.95
    ratio = recovery.score[sure] / planned.snr[sure]
    assert np.nanmedian(ratio) == pytest.approx(1, abs=0.05)
    flux = recovery.flux_e[sure] / planned.flux_e[sure]
    assert np.nanmedian(flux) == pytest.approx(1, abs=0.03)
    offset = np.hypot(recovery.dx_px[sure], recovery.dy_px[sure])
    assert np.nanmedian(offset) < 0.2


def test_faint_injections_are_lost_as_noise_wants_it(planned, recovery):
    faint = np.abs(planned.snr) < 4
    assert recovery.found[faint].mean() < 0.5


def test_the_frame_itself_stays_as_it_was(pair, planned, injected):
    assert injected is not pair.science
    light = injected.data - pair.science.data
    net = planned.flux_e.sum()
    photons = np.sqrt(np.maximum(planned.flux_e, 0).sum())
    assert light.sum() == pytest.approx(net, abs=5 * photons + 0.01 * abs(net))
    assert (injected.variance >= pair.science.variance).all()


def test_masked_pixels_stay_as_they_were(pair, planned):
    x, y = int(np.rint(planned.x[0])), int(np.rint(planned.y[0]))
    mask = pair.science.mask.copy()
    mask[y, x] |= np.uint16(MaskBit.COSMIC_RAY)
    masked = replace(pair.science, mask=mask)
    out = inject(np.random.default_rng(3), masked, planned)
    assert out.data[y, x] == pair.science.data[y, x]
    assert out.data[y, x + 1] != pair.science.data[y, x + 1]


def test_injections_on_galaxies_lie_near_them(pair, difference):
    rng, galaxies = np.random.default_rng(4), np.array([[200.0, 210.0], [300.0, 90.0]])
    one = InjectionSettings(per_frame=2, galaxy_share=1.0)
    planned = plan_injections(rng, pair.science, difference, galaxies, one)
    for x, y, on_galaxy in zip(planned.x, planned.y, planned.on_galaxy, strict=True):
        assert on_galaxy
        assert np.hypot(*(galaxies - [x, y]).T).min() < 3 * pair.science.psf.fwhm_px


def test_without_stars_there_are_no_galaxies():
    assert extended_sources(empty_stars(), 3.0).shape == (0, 2)


@given(snr=st.floats(0.5, 100), error=st.floats(0.1, 1e4), own=st.floats(0, 2))
def test_a_flux_of_given_significance_has_it(snr, error, own):
    flux = flux_of_snr(np.array([snr]), np.array([error]), np.array([own]))[0]
    assert flux / np.sqrt(error**2 + own * flux) == pytest.approx(snr, rel=1e-6)


def test_the_half_found_point_is_that_of_the_threshold():
    # Gaussian noise of one sigma and a threshold of five: half at S/N five.
    rng = np.random.default_rng(1)
    snr = np.exp(rng.uniform(np.log(3), np.log(50), 4000))
    found = rng.random(4000) < norm.sf(5 - snr)
    assert half_found_snr(snr, found) == pytest.approx(5.0, abs=0.15)


def test_all_or_nothing_tells_no_half_point():
    snr = np.linspace(3, 50, 20)
    assert half_found_snr(snr, np.ones(20, dtype=bool)) is None
    assert half_found_snr(snr, np.zeros(20, dtype=bool)) is None


def test_the_upper_bound_is_wilsons():
    # Wilson 1927 by hand: 8 of 10, z = 1.645.
    z2 = 1.645**2
    by_hand = (0.8 + z2 / 20 + 1.645 * np.sqrt(0.016 + z2 / 400)) / (1 + z2 / 10)
    assert upper_bound(8, 10) == pytest.approx(by_hand)
    assert upper_bound(0, 0) == 1.0
