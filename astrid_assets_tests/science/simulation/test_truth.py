"""What changes: apart, in range, and measurable on the frame as the truth says."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from astrid_assets.science.simulation import detector
from astrid_assets.science.simulation.catalogue import saturated_stars, star_catalogue
from astrid_assets.science.simulation.exposure import expose
from astrid_assets.science.simulation.optimal import single_image_snr
from astrid_assets.science.simulation.point_spread import PsfField, star_stamps
from astrid_assets.science.simulation.scene import SimulationPlan
from astrid_assets.science.simulation.transients import changes, variable_star_indices
from astrid_assets.science.simulation.truth import TruthSource, sources_on_frame

PLANS = [
    SimulationPlan(scene_name=scene, seed=7, shape=(768, 768), frames_per_night=3, first_mjd=6e4)
    for scene in ("wide", "deep")
]
both_scenes = pytest.mark.parametrize("plan", PLANS, ids=["wide", "deep"])


def _all(plan: SimulationPlan, nights: range) -> list[tuple[int, list[TruthSource]]]:
    return [(n, sources_on_frame(plan, n, i)) for n in nights for i in range(3)]


@pytest.mark.slow
@both_scenes
def test_a_later_frame_has_some_thirty_changes_of_both_signs_and_all_kinds(plan):
    frames = [f for n, f in _all(plan, range(4, 12)) if n not in (4, 6, 8, 10)]
    seen = [[s for s in frame if abs(s.expected_snr) > 5] for frame in frames]
    assert 22 <= np.mean([len(s) for s in seen]) <= 42
    together = [s for frame in seen for s in frame]
    assert np.mean([abs(s.expected_snr) < 100 for s in together]) > 0.93
    assert np.mean([s.flux_e < 0 for s in together]) > 0.1
    assert {s.kind for s in together} == {"supernova", "variable", "asteroid"}


@both_scenes
def test_the_quiet_nights_have_few_changes_and_no_supernova(plan):
    for night, frame in _all(plan, range(3)):
        visible = [s for s in frame if abs(s.expected_snr) > 5]
        assert len(visible) <= 12
        if night < 2:
            assert all(s.kind != "supernova" for s in visible)


@pytest.mark.slow
@both_scenes
def test_changes_are_apart_from_each_other_and_off_saturated_stars(plan):
    for _, frame in _all(plan, range(0, 12, 2)):
        x, y = np.array([(s.x, s.y) for s in frame]).T
        distance = np.hypot(x[:, None] - x, y[:, None] - y) + 99 * np.eye(x.size)
        assert distance.min() > 12
    bright_x, bright_y, _ = saturated_stars(plan)
    assert bright_x.size >= 3
    stars = star_catalogue(plan)
    for i in variable_star_indices(plan):
        assert np.hypot(bright_x - stars.x[i], bright_y - stars.y[i]).min() > 45


@both_scenes
def test_variables_average_to_nothing_over_the_quiet_nights(plan):
    total = defaultdict(float)
    largest = defaultdict(float)
    for night in range(12):
        for index in range(3):
            for change in changes(plan, night, index):
                if change.kind != "variable":
                    continue
                assert change.underlying_e + change.flux_e > 0
                if night < 3:
                    total[change.truth_id] += change.flux_e / 9
                largest[change.truth_id] = max(largest[change.truth_id], abs(change.flux_e))
    assert len(total) >= 15
    for name, mean in total.items():
        assert abs(mean) < 1e-6 * largest[name]


@both_scenes
def test_a_supernova_rises_once_and_fades(plan):
    curves = defaultdict(list)
    for night in range(30):
        for change in changes(plan, night, 0):
            if change.kind == "supernova":
                curves[change.truth_id].append(change.flux_e)
    long = [np.array(c) for c in curves.values() if len(c) > 10]
    assert len(long) >= 10
    for curve in long:
        peak = int(np.argmax(curve))
        assert np.all(np.diff(curve[: peak + 1]) > 0)
        assert np.all(np.diff(curve[peak:]) < 0)


@both_scenes
def test_asteroids_move_between_frames_and_are_gone_the_next_night(plan):
    tonight = [
        {s.truth_id: s for s in sources_on_frame(plan, 5, i) if s.kind == "asteroid"}
        for i in range(3)
    ]
    assert len(tonight[0]) >= 4
    for name in tonight[0].keys() & tonight[2].keys():
        a, b = tonight[0][name], tonight[2][name]
        assert 6 < np.hypot(a.x - b.x, a.y - b.y) < 60
    tomorrow = {s.truth_id for s in sources_on_frame(plan, 6, 0)}
    assert not tomorrow & tonight[0].keys()


@pytest.mark.slow
@pytest.mark.parametrize(("plan", "night"), [(PLANS[0], 7), (PLANS[1], 9)])
def test_the_change_can_be_measured_on_the_frame_where_the_truth_says(plan, night):
    exposure = expose(plan, night, 1)
    truth = exposure.truth
    raw = exposure.adu * plan.scene.gain_e_per_adu - detector.bias_map(plan)
    image = (raw - detector.dark_map(plan) * plan.scene.exposure_s) / truth.flat
    image = image - truth.background_e
    rates = {c.truth_id: c.underlying_e for c in changes(plan, night, 1)}
    pulls = []
    for source in truth.sources:
        column, row = round(source.x), round(source.y)
        cut = np.s_[row - 4 : row + 5, column - 4 : column + 5]
        if source.kind == "supernova" or truth.mask[cut].any():
            continue  # hosts are in the way
        where = np.array([source.x]), np.array([source.y])
        offset = where[0] - column, where[1] - row
        psf = star_stamps(truth.psf, *where, *offset, 4)[0].astype(float)
        flux = (psf * image[cut]).sum() / (psf**2).sum()
        expected = source.flux_e + rates[source.truth_id] * truth.transparency
        pulls.append((flux - expected) / (abs(source.flux_e / source.expected_snr)))
    assert len(pulls) > 8
    # Neighbouring stars disturb some of them; the typical one is right.
    assert np.median(np.abs(pulls)) < 1.5


@pytest.mark.slow
def test_the_expected_snr_is_the_scatter_of_psf_photometry(rng):
    psf = PsfField(frame_shape=(64, 64), fwhm_px=3.0).centre().astype(float)
    flux, sky, star = 1500.0, 400.0, 4000.0
    noisy = rng.poisson((flux + star) * psf + sky, (4000, *psf.shape)) - sky
    measured = (noisy * psf).sum(axis=(1, 2)) / (psf**2).sum()
    snr = single_image_snr(flux, psf.astype(np.float32), np.sqrt(sky), star)
    assert flux / np.std(measured) == pytest.approx(snr, rel=0.04)


def test_fading_sources_have_negative_flux_and_snr_and_a_magnitude():
    for _, frame in _all(PLANS[0], range(5, 7)):
        for source in frame:
            assert np.sign(source.flux_e) == np.sign(source.expected_snr)
            assert np.isfinite(source.mag)
