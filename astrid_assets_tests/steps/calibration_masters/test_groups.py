"""Which calibration frames belong together, and which of them suit a frame."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrid_assets.steps.calibration_masters.groups import (
    MasterRequest,
    groups_of,
    is_near,
    setup_of,
    suitable,
)
from astrid_assets.storage.database.tables.frames import Observation
from astrid_assets.surveys.profile import Calibration, MaxAge
from astrid_assets_tests.storage.world import WHEN

if TYPE_CHECKING:
    from astrid_assets.science.calibration.masters import Kind

COUNTED = Calibration(min_master_frames=2, max_age_days=MaxAge(bias=10, dark=5, flat=3))


def frame(kind: str, night: str, number: int = 0, **changes: object) -> Observation:
    values: dict[str, Any] = {
        "id": f"{kind}-{night}-{number}-{sorted(changes.items())}",
        "survey": "sim",
        "kind": kind,
        "night": night,
        "source_path": "a.fits",
        "hdu": 0,
        "sha256": "0" * 64,
        "size_bytes": 2880,
        "status": "registered",
        "registered_at": WHEN,
        "band": "r" if kind == "flat" else "",
        "instrument": "cam",
        "readout_mode": "slow",
        "binning": "1x1",
        "width": 100,
        "height": 80,
        "ccd_temperature_c": -10.0,
    }
    values.update(changes)
    return Observation(**values)


def several(kind: str, night: str, n: int = 2, **changes: object) -> list[Observation]:
    return [frame(kind, night, k, **changes) for k in range(n)]


LIGHT = frame("light", "2025-03-10", band="r")
REQUEST = MasterRequest("2025-03-10", "r", setup_of(LIGHT), -10.0)


def nights(
    frames: list[Observation],
    kind: Kind = "bias",
    request: MasterRequest = REQUEST,
    settings: Calibration = COUNTED,
) -> list[str]:
    return [g.night for g in suitable(groups_of(frames, 2.0), kind, request, settings).groups]


@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("instrument", "cam2"),
        ("readout_mode", "fast"),
        ("binning", "2x2"),
        ("width", 99),
        ("height", 79),
        ("instrument", None),
        ("ccd_temperature_c", -20.0),
        ("ccd_temperature_c", None),
    ],
)
def test_frames_that_differ_never_mix(key, other):
    frames = several("bias", "2025-03-10") + several("bias", "2025-03-10", **{key: other})
    groups = groups_of(frames, 2.0)
    assert [len(g.frames) for g in groups] == [2, 2]
    for group in groups:
        assert len({getattr(f, key) for f in group.frames}) == 1


def test_flats_are_told_apart_by_filter_and_biases_are_not():
    flats = several("flat", "2025-03-10") + several("flat", "2025-03-10", band="g")
    assert [g.band for g in groups_of(flats, 2.0)] == ["g", "r"]
    biases = several("bias", "2025-03-10", band="r") + several("bias", "2025-03-10")
    assert len(groups_of(biases, 2.0)) == 1


@pytest.mark.slow
@given(st.lists(st.floats(-30, 30), min_size=1, max_size=30), st.floats(0.1, 5))
def test_temperatures_of_a_group_differ_by_the_tolerance_at_most(values, tolerance):
    frames = [frame("dark", "2025-03-10", k, ccd_temperature_c=c) for k, c in enumerate(values)]
    groups = groups_of(frames, tolerance)
    assert sorted(f.id for g in groups for f in g.frames) == sorted(f.id for f in frames)
    for group in groups:
        cold = [c for f in group.frames if (c := f.ccd_temperature_c) is not None]
        assert len(cold) == len(group.frames)
        assert max(cold) - min(cold) <= tolerance


def test_the_nearest_night_wins_on_either_side_and_a_tie_is_the_earlier():
    frames = [
        f
        for night in ("2025-03-04", "2025-03-08", "2025-03-12", "2025-03-13")
        for f in several("bias", night)
    ]
    assert nights(frames) == ["2025-03-08", "2025-03-12", "2025-03-13", "2025-03-04"]
    frames += several("bias", "2025-03-11")
    assert nights(frames)[0] == "2025-03-11"


def test_age_has_a_limit_for_each_kind():
    frames = several("flat", "2025-03-06") + several("dark", "2025-03-05")
    assert nights(frames, "flat") == []
    assert nights(frames, "dark") == ["2025-03-05"]
    why = suitable(groups_of(frames, 2.0), "flat", REQUEST, COUNTED).why_none
    assert "4 days away, at most 3 allowed" in why


def test_temperature_first_then_time_then_what_the_policy_says():
    frames = (
        several("dark", "2025-03-10", ccd_temperature_c=-20.0)
        + several("dark", "2025-03-06", ccd_temperature_c=-9.0)
        + several("dark", "2025-03-09", ccd_temperature_c=-15.0)
    )
    assert nights(frames, "dark") == ["2025-03-06", "2025-03-09", "2025-03-10"]
    strict = COUNTED.model_copy(update={"temperature_policy": "reject"})
    assert nights(frames, "dark", settings=strict) == ["2025-03-06"]
    warm = replace(REQUEST, temperature_c=5.0)
    why = suitable(groups_of(frames, 2.0), "dark", warm, strict).why_none
    assert "14.0 C from the frame's; at most 2 C allowed" in why


def test_flats_may_have_any_temperature():
    strict = COUNTED.model_copy(update={"temperature_policy": "reject"})
    frames = several("flat", "2025-03-10", ccd_temperature_c=-20.0)
    assert nights(frames, "flat", settings=strict) == ["2025-03-10"]


def test_unknown_temperatures_are_taken_as_they_are():
    (group,) = groups_of(several("dark", "2025-03-10", ccd_temperature_c=None), 2.0)
    assert is_near(group, REQUEST, COUNTED)
    (group,) = groups_of(several("dark", "2025-03-10"), 2.0)
    assert is_near(group, replace(REQUEST, temperature_c=None), COUNTED)


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [
        ([], "no bias frames are registered"),
        (
            several("bias", "2025-03-10", width=50),
            "no bias frames with the set-up cam, slow, 1x1, 100 x 80",
        ),
        (several("bias", "2025-03-10", 1), "1 bias frames of 2025-03-10 at -10.0 C, 2 needed"),
    ],
)
def test_people_read_why_there_is_none(frames, sentence):
    choice = suitable(groups_of(frames, 2.0), "bias", REQUEST, COUNTED)
    assert choice.groups == ()
    assert sentence in choice.why_none
