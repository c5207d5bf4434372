"""Which frames enter a reference, and why the others do not."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrid_assets.science.reference.selection import ReferenceCandidate, choose_members, may_enter
from astrid_assets.science.settings import ReferenceSettings


def candidate(number, night=1, **changed):
    values = {
        "observation_id": f"o{number}",
        "night": f"2025-03-{night:02d}",
        "path": "a.fits",
        "observed_mjd": 60700.0 + night + number / 100,
        "fwhm_px": 3.0,
        "limiting_mag": 22.0,
        "coverage": 1.0,
    }
    return ReferenceCandidate(**values | changed)


def why_not(choice):
    return {r.frame.observation_id: r.why_not for r in choice.ranking}


def chosen(pool, **settings):
    return choose_members(pool, ReferenceSettings(**settings)).members


def test_nights_are_looked_at_whole_and_earliest_first_until_there_are_enough():
    pool = [candidate(i, night=1 + i // 2) for i in range(10)]
    choice = choose_members(pool[::-1], ReferenceSettings(frames=4))
    assert choice.members == ["o0", "o1", "o2", "o3"]
    assert why_not(choice) == dict.fromkeys(("o0", "o1", "o2", "o3")) | dict.fromkeys(
        ("o4", "o5", "o6", "o7", "o8", "o9"), "later"
    )


def test_later_nights_cannot_change_a_complete_reference():
    early = [candidate(i) for i in range(3)]
    better_later = [candidate(9, night=5, fwhm_px=1.0, limiting_mag=25.0)]
    settings = {"frames": 3}
    assert chosen(early + better_later, **settings) == chosen(early, **settings)


frame_of_a_night = st.builds(
    candidate,
    st.integers(0, 10**6),
    night=st.integers(1, 9),
    fwhm_px=st.floats(1.5, 9),
    limiting_mag=st.one_of(st.none(), st.floats(18, 24)),
    coverage=st.one_of(st.none(), st.floats(0, 1)),
    bad_fraction=st.floats(0, 0.3),
    flags=st.frozensets(st.sampled_from(["elongated_stars", "wcs_offset"])),
    has_known_transient=st.booleans(),
)
pools = st.lists(frame_of_a_night, unique_by=lambda c: c.observation_id, max_size=25)


@pytest.mark.slow
@given(pools, st.integers(1, 6), st.integers(1, 3), st.randoms(use_true_random=False))
def test_every_choice_keeps_its_promises(pool, frames, least, random):
    settings = ReferenceSettings(frames=frames, min_frames=least)
    choice = choose_members(pool, settings)
    shuffled = random.sample(pool, len(pool))
    assert choose_members(shuffled, settings) == choice
    assert {r.frame for r in choice.ranking} == set(pool)
    assert all((r.rank is None) == (r.why_not is not None) for r in choice.ranking)
    taken = [r for r in choice.ranking if r.rank is not None]
    assert len(taken) in {0, *range(least, frames + 1)}
    assert [r.rank for r in taken] == list(range(1, len(taken) + 1))
    assert sum(r.weight for r in taken) == pytest.approx(1 if taken else 0)
    by_time = sorted((r.frame.night, r.frame.observed_mjd) for r in taken)
    order = {r.frame.observation_id: r.frame for r in taken}
    assert [(order[o].night, order[o].observed_mjd) for o in choice.members] == by_time
    if any(why in ("later", "enough") for why in why_not(choice).values()):
        # Complete: nights to come, whatever they bring, change nothing.
        later = candidate(-1, night=10, fwhm_px=1.0, limiting_mag=30.0)
        assert choose_members([*pool, later], settings).members == choice.members


def test_of_a_night_with_many_frames_the_deepest_are_taken():
    depths = [22.0, 22.4, 21.9, 22.3, 22.1]
    pool = [candidate(i, limiting_mag=m) for i, m in enumerate(depths)]
    choice = choose_members(pool, ReferenceSettings(frames=3))
    assert [r.frame.limiting_mag for r in choice.ranking[:3]] == [22.4, 22.3, 22.1]
    assert choice.members == ["o1", "o3", "o4"]
    assert why_not(choice)["o0"] == why_not(choice)["o2"] == "enough"


def test_equal_frames_are_taken_by_their_ids():
    pool = [candidate(i, observed_mjd=60700.0) for i in range(5)]
    for order in itertools.islice(itertools.permutations(pool), 20):
        assert chosen(order, frames=2) == ["o0", "o1"]


def test_weights_are_inverse_variances_of_a_point_source():
    # 5 log10(2) / 2 magnitudes shallower: twice the noise, a quarter of the weight.
    pool = [candidate(0), candidate(1, limiting_mag=22 - 0.7525), candidate(2)]
    choice = choose_members(pool, ReferenceSettings(frames=3, max_shallower_mag=1))
    weights = {r.frame.observation_id: r.weight for r in choice.ranking}
    assert weights["o1"] == pytest.approx(weights["o0"] / 4, rel=1e-3)


def test_blurred_frames_stay_out():
    pool = [candidate(0), candidate(1, fwhm_px=5.0), candidate(2, night=2)]
    choice = choose_members(pool, ReferenceSettings(frames=2))
    assert choice.members == ["o0", "o2"]
    assert why_not(choice)["o1"] == "seeing"


def test_shallow_frames_stay_out_and_do_not_complete_a_reference():
    pool = [candidate(0), candidate(1, limiting_mag=21.0), candidate(2, night=2)]
    choice = choose_members(pool, ReferenceSettings(frames=2))
    assert choice.members == ["o0", "o2"]
    assert why_not(choice)["o1"] == "depth"


def test_a_blurred_frame_does_not_say_what_is_shallow():
    pool = [candidate(0), candidate(1, fwhm_px=6.0, limiting_mag=24.0)]
    assert chosen(pool) == ["o0"]


def test_frames_that_show_little_of_the_field_stay_out():
    pool = [
        candidate(0),
        candidate(1, coverage=0.4),
        candidate(2, coverage=0.6, bad_fraction=0.25),
        candidate(3, coverage=0.6),
    ]
    choice = choose_members(pool, ReferenceSettings())
    assert choice.members == ["o0", "o3"]
    assert why_not(choice)["o1"] == why_not(choice)["o2"] == "coverage"


def test_a_frame_that_shows_more_of_the_field_is_worth_more():
    pool = [candidate(0, coverage=0.6), candidate(1), candidate(2, bad_fraction=0.2)]
    assert chosen(pool, frames=2) == ["o1", "o2"]


def test_flags_that_a_stack_inherits_come_last_others_do_not_matter():
    pool = [
        candidate(0, limiting_mag=22.5, flags=frozenset({"elongated_stars"})),
        candidate(1, flags=frozenset({"wcs_offset"})),
        candidate(2),
    ]
    assert chosen(pool, frames=2) == ["o1", "o2"]
    assert chosen(pool, frames=3) == ["o0", "o1", "o2"]


@pytest.mark.parametrize("missing", ["limiting_mag", "coverage"])
def test_what_was_never_measured_is_not_guessed(missing):
    unmeasured: dict[str, Any] = {missing: None}
    choice = choose_members([candidate(0), candidate(1, **unmeasured)], ReferenceSettings())
    assert choice.members == ["o0"]
    assert why_not(choice)["o1"] == "unmeasured"


def test_frames_with_known_transients_stay_out_unless_a_person_wants_them():
    pool = [candidate(0, has_known_transient=True), candidate(1)]
    choice = choose_members(pool, ReferenceSettings())
    assert choice.members == ["o1"]
    assert why_not(choice)["o0"] == "known_transient"
    assert chosen(pool, known_transients="keep") == ["o0", "o1"]


def test_an_excluded_frame_makes_room_for_a_later_night():
    pool = [candidate(i, night=1 + i // 2) for i in range(6)]
    marked = [candidate(0, has_known_transient=True), *pool[1:]]
    assert chosen(pool, frames=2) == ["o0", "o1"]
    assert chosen(marked, frames=2) == ["o1", "o2"]


def test_paths_and_dates_limit_the_pool():
    pool = [
        candidate(0, path="reference/a.fits"),
        candidate(1, path="science/b.fits"),
        candidate(2, night=3, path="reference/c.fits"),
    ]
    by_path = ReferenceSettings(paths=("reference/*",))
    assert choose_members(pool, by_path).members == ["o0", "o2"]
    before = by_path.model_copy(update={"before": "2025-03-03"})
    choice = choose_members(pool, before)
    assert why_not(choice) == {"o0": None, "o1": "path", "o2": "date"}


def test_a_person_can_leave_frames_out_by_their_path():
    settings = ReferenceSettings(exclude=("*/bad-*.fits",))
    pool = [candidate(0, path="n/bad-1.fits"), candidate(1, path="n/good.fits")]
    choice = choose_members(pool, settings)
    assert why_not(choice) == {"o1": None, "o0": "excluded"}
    assert not may_enter("n/bad-1.fits", "2025-03-01", settings)


def test_too_few_frames_make_no_reference():
    pool = [candidate(0), candidate(1, fwhm_px=9.0)]
    choice = choose_members(pool, ReferenceSettings(min_frames=2))
    assert choice.members == []
    assert why_not(choice) == {"o0": "too_few", "o1": "seeing"}
