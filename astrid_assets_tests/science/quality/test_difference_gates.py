"""Gates of the subtraction: a good pair passes all, a bad one fails for its reason."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.errors import TooFewStars
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.quality.difference_gates import (
    FRAME_GATES,
    MIN_AGREEING,
    judge_differences,
    methods_agree,
    over_frames,
)
from astrid_assets.science.quality.difference_numbers import DIFFERENCE_NUMBERS
from astrid_assets.science.quality.numbers import Limit, LimitSide
from astrid_assets.science.simulation.pair import SimulatedPair, simulate_pair
from astrid_assets_tests.science.quality.verdicts import blocking_gates

if TYPE_CHECKING:
    from astrid_assets.science.frame import Frame
    from astrid_assets.science.quality.gate import Gate

SETTINGS = DifferencingSettings()
AGREED = {
    "method": "kernel",
    "star_difference": 0.01,
    "flux_ratio": 1.001,
    "flux_ratio_err": 0.002,
    "agreeing": 0.995,
    "correlation": 0.99,
    "n_changes": 9,
}


@functools.cache
def pair(**options: Any) -> SimulatedPair:
    usual: dict[str, Any] = {"stars_per_mpx": 4000.0, "n_transients": 0}
    return simulate_pair(4, (256, 256), **(usual | options))


def good() -> SimulatedPair:
    return pair()


def covered_by_a_tenth() -> SimulatedPair:
    crowded = pair(stars_per_mpx=20_000.0)
    mask = crowded.reference.mask.copy()
    mask[:, 38:] |= np.uint16(MaskBit.NO_DATA)
    return replace(crowded, reference=replace(crowded.reference, mask=mask))


def with_variances_times(factor: float) -> SimulatedPair:
    def louder(frame: Frame) -> Frame:
        assert frame.variance is not None
        return replace(frame, variance=frame.variance * np.float32(factor))

    science, reference = louder(good().science), louder(good().reference)
    return replace(good(), science=science, reference=reference)


def with_a_sharper_psf_than_its_stars() -> SimulatedPair:
    psf = pair(science_fwhm_px=1.6).science.psf
    return replace(good(), science=replace(good().science, psf=psf))


def with_a_rippled_flat() -> SimulatedPair:
    y, x = np.mgrid[:256, :256]
    flat = 1 + 0.4 * np.sin(x / 20) * np.sin(y / 23)
    data = (good().science.data * flat).astype(np.float32)
    return replace(good(), science=replace(good().science, data=data))


def with_a_shifted_wcs() -> SimulatedPair:
    wcs = good().reference.wcs
    assert wcs is not None
    wcs = wcs.deepcopy()
    wcs.wcs.crpix += np.array([3.5, 0])
    return replace(good(), reference=replace(good().reference, wcs=wcs))


def failed_gates(made: SimulatedPair) -> set[str]:
    difference = subtract(made.science, made.reference, SETTINGS)
    row = {n.name: getattr(difference, n.name) for n in DIFFERENCE_NUMBERS}
    verdicts = judge_differences([row], SETTINGS)
    assert all(verdict.value is not None for verdict in verdicts)
    # What holds the night back is what the difference is rejected for.
    assert bool(blocking_gates(verdicts)) == bool(difference.reasons)
    return {verdict.gate for verdict in verdicts if not verdict.passed}


@pytest.mark.slow
def test_a_good_pair_passes_every_gate():
    assert failed_gates(good()) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("gate", "made"),
    [
        ("ample_coverage", covered_by_a_tenth),
        ("score_noise", lambda: with_variances_times(0.2)),
        ("score_noise_floor", lambda: with_variances_times(4.0)),
        ("residual_power", lambda: pair(jitter_px=1.6, stars_per_mpx=3000.0)),
        ("psf_match", with_a_sharper_psf_than_its_stars),
        ("ample_stars", lambda: pair(stars_per_mpx=300.0)),
        ("flux_ratio", lambda: pair(flux_ratio=8.0)),
        ("flux_ratio_scatter", with_a_rippled_flat),
        ("astrometric_offset", with_a_shifted_wcs),
        ("astrometric_scatter", lambda: pair(jitter_px=0.5)),
    ],
)
def test_a_pair_made_bad_in_one_way_fails_the_gate_for_it(gate, made):
    failed = failed_gates(made())
    assert gate in failed
    # Half a FWHM between the same stars, or a flat that is wrong by 40 %, spoil more.
    others = failed - {gate, "psf_match", "flux_ratio_scatter", "astrometric_scatter"}
    assert others == set()


def test_a_reference_that_covers_almost_nothing_holds_the_night_back():
    # What little it covers has too few stars for a difference of its own.
    verdicts = judge_differences([numbers(coverage=0.05)], SETTINGS)
    assert blocking_gates(verdicts) == ["coverage"]


@pytest.mark.slow
def test_the_stars_of_a_pair_that_has_too_few_are_judged():
    empty = pair(stars_per_mpx=60.0)
    with pytest.raises(TooFewStars) as error:
        subtract(empty.science, empty.reference, SETTINGS)
    unmeasured = {number.name: None for number in DIFFERENCE_NUMBERS}
    row = unmeasured | {"n_stars": error.value.found}
    assert blocking_gates(judge_differences([row], SETTINGS)) == ["stars_used"]


def numbers(**changed: float) -> dict[str, float]:
    usual: dict[str, float] = {
        "coverage": 0.98,
        "std_score": 1.0,
        "residual_power": 0.001,
        "psf_error": 0.01,
        "n_stars": 40,
        "flux_ratio": 1.0,
        "flux_ratio_scatter": 0.02,
        "offset_px": 0.1,
        "astrometric_noise_px": 0.02,
    }
    return usual | changed


def outside(limit: Limit) -> float:
    """Return a value beyond a limit."""
    bound = limit.value(SETTINGS)
    assert bound is not None
    return 1.2 * bound if limit.side is LimitSide.AT_MOST else 0.7 * bound


@pytest.mark.parametrize(("gate", "number", "limit"), [g for g in FRAME_GATES if g[0].blocks])
def test_a_night_is_blocked_only_when_no_frame_is_inside(gate, number, limit):
    bad = numbers(**{number.name: outside(limit)})
    mixed = {v.gate: v for v in judge_differences([numbers(), bad], SETTINGS)}
    assert mixed[gate.name].passed
    assert mixed[gate.name].value == numbers()[number.name]
    assert "1 of 2 differences outside" in mixed[gate.name].detail
    assert blocking_gates(judge_differences([bad, bad], SETTINGS)) == [gate.name]


@pytest.mark.parametrize(("gate", "number", "limit"), [g for g in FRAME_GATES if not g[0].blocks])
def test_a_gate_that_warns_does_so_for_a_single_frame(gate, number, limit):
    bad = numbers(**{number.name: outside(limit)})
    verdicts = judge_differences([numbers(), numbers(), bad], SETTINGS)
    assert [v.gate for v in verdicts if not v.passed] == [gate.name]
    assert blocking_gates(verdicts) == []


@pytest.mark.parametrize("number", DIFFERENCE_NUMBERS, ids=lambda number: number.name)
def test_a_frame_at_the_limit_is_neither_flagged_nor_rejected_and_passes_its_gate(number):
    for limit in number.limits:
        bound = limit.value(SETTINGS)
        assert bound is not None
        assert number.reason(limit, bound, SETTINGS) is None
        (verdict,) = [
            v
            for v in judge_differences([numbers(**{number.name: bound})], SETTINGS)
            if v.gate == limit.gate
        ]
        assert verdict.passed


def test_the_frame_that_decides_is_the_value_and_the_worst_is_reported():
    values = [1.0, 1.3, 1.6]
    blocking, warning = gate_of("score_noise"), gate_of("psf_match")
    best = over_frames(blocking, values, 1.5, LimitSide.AT_MOST)
    assert (best.value, best.passed, best.limit) == (1.0, True, "<= 1.5")
    assert "typical 1.3, worst 1.6" in best.detail
    worst = over_frames(warning, values, 1.5, LimitSide.AT_MOST)
    assert (worst.value, worst.passed) == (1.6, False)


def test_a_scatter_that_is_no_number_is_outside():
    verdict = over_frames(gate_of("score_noise"), [float("nan")], 1.5, LimitSide.AT_MOST)
    assert not verdict.passed


def gate_of(name: str) -> Gate:
    return next(gate for gate, _, _ in FRAME_GATES if gate.name == name)


def test_a_night_without_differences_fails_no_gate():
    verdicts = [*judge_differences([], SETTINGS), *methods_agree([], SETTINGS)]
    assert all(verdict.passed for verdict in verdicts)
    assert all(verdict.value is None for verdict in verdicts)


@pytest.mark.parametrize(
    ("gate", "changed"),
    [
        ("methods_agree", {"star_difference": 0.05}),
        ("changes_agree", {"flux_ratio": 1.05}),
        ("positions_agree", {"agreeing": MIN_AGREEING - 0.01}),
    ],
)
def test_methods_that_disagree_in_any_way_warn(gate, changed):
    assert all(verdict.passed for verdict in methods_agree([AGREED], SETTINGS))
    failed = [v for v in methods_agree([AGREED, AGREED | changed], SETTINGS) if not v.passed]
    assert [verdict.gate for verdict in failed] == [gate]
    assert not failed[0].holds_back


def test_few_changes_give_no_flux_ratio():
    check = AGREED | {"flux_ratio": 1.2, "n_changes": 2}
    assert all(verdict.passed for verdict in methods_agree([check], SETTINGS))
    unsure = AGREED | {"flux_ratio": 1.06, "flux_ratio_err": 0.02}
    assert all(verdict.passed for verdict in methods_agree([unsure], SETTINGS))


def test_a_pair_the_other_method_cannot_do_is_reported_and_does_not_count_against_it():
    failed = {"method": "kernel", "failure": "2 stars for the matching kernel"}
    for verdict in methods_agree([failed], SETTINGS):
        assert verdict.passed
        assert verdict.value is None
        assert "2 stars for the matching kernel" in verdict.detail
