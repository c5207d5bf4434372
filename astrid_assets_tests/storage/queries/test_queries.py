"""Queries on nights, frames, references and gates, on both databases."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.science.quality.gate import Verdict
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.tables.detections import DifferenceRun
from astrid_assets.storage.database.tables.frames import (
    FieldAnchor,
    NightReference,
    ReferenceMember,
    SourceFileRow,
)
from astrid_assets.storage.database.tables.nights import GateVerdict, NightSummary
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.queries import frames, gates, observations
from astrid_assets_tests.storage.world import WHEN, World

if TYPE_CHECKING:
    import pytest
    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.catalogue import Catalogue


def verdict(gate: str = "frame_quality", *, passed: bool, holds_back: bool = True):
    return Verdict(
        gate=gate, holds_back=holds_back, value=1.0 if passed else 0.0, lowest=1, detail="d"
    )


def test_a_night_comes_in_the_order_it_was_taken(catalogue: Catalogue):
    with catalogue.begin() as session:
        world = World(session)
        late = world.observation("2025-03-01", 2)
        undated = world.observation("2025-03-01", 3, mjd=None, status="rejected")
        early = world.observation("2025-03-01", 1)
        bias = world.observation("2025-03-01", 0, kind="bias")
        world.observation("2025-03-02", 0)
        night = ("sim", "2025-03-01")
        found = observations.observations_of_night(session, *night)
        assert [row.id for row in found] == [bias, early, late, undated]
        lights = observations.observations_of_night(
            session, *night, kind="light", status="registered"
        )
        assert [row.id for row in lights] == [early, late]
        calibrations = observations.calibration_frames(session, "sim", ["bias", "flat"])
        assert [row.id for row in calibrations] == [bias]


def test_nights_are_listed_once_and_without_the_undated(catalogue: Catalogue):
    with catalogue.begin() as session:
        world = World(session)
        for night in ("2025-03-02", "2025-03-01", "2025-03-02", ""):
            world.observation(night)
        World(session, "other").observation("2024-01-01")
        assert observations.nights(session, "sim") == ["2025-03-01", "2025-03-02"]
        assert [row.night for row in observations.undated(session, "sim")] == [""]


def test_files_seen_before_are_known_by_path(catalogue: Catalogue):
    row = SourceFileRow(
        survey="sim",
        path="a/b.fits",
        size_bytes=10**12,
        mtime_ns=1_740_000_000 * 10**9,
        nights=["2025-03-01", ""],
        profile_hash="h",
        checked_at=WHEN,
    )
    with catalogue.begin() as session:
        World(session)
        upsert(session, [row])
        known = observations.known_files(session, "sim")
        assert known.keys() == {"a/b.fits"}
        found: SourceFileRow = known["a/b.fits"]
        assert (found.size_bytes, found.nights) == (10**12, ["2025-03-01", ""])
        assert observations.known_files(session, "other") == {}


def test_only_accepted_frames_of_earlier_free_nights_may_be_reference(
    catalogue: Catalogue,
):
    with catalogue.begin() as session:
        world = World(session)
        kept = [
            world.processed(world.observation("2025-03-01", 1)),
            world.processed(world.observation("2025-03-01", 2)),
            world.processed(world.observation("2025-03-03", 0, mjd=60000.0)),
        ]
        world.processed(world.observation("2025-03-01", 3), status="rejected")
        world.processed(world.observation("2025-03-01", 4, band="g"))
        world.processed(world.observation("2025-03-01", 5, field="f2"))
        world.processed(world.observation("2025-03-02", 6))
        world.processed(world.observation("2025-03-05", 7))
        held, warned = (
            [verdict(passed=False)],
            [verdict(passed=False, holds_back=False)],
        )
        gates.record(session, "sim", "2025-03-02", "processed_frames", held)
        gates.record(session, "sim", "2025-03-03", "processed_frames", warned)
        gates.record(session, "other", "2025-03-01", "processed_frames", held)
        found = frames.accepted_before(session, "sim", "f1", "r", "2025-03-05")
        assert [observation.id for observation, _ in found] == kept
        assert {run.status for _, run in found} == {"accepted"}
        earlier = frames.accepted_before(session, "sim", "f1", "r", "2025-03-01")
        assert earlier == []


def test_a_frame_has_one_current_difference(catalogue: Catalogue):
    with catalogue.begin() as session:
        world = World(session)
        first = world.processed(world.observation("2025-03-04", 1))
        second = world.processed(world.observation("2025-03-04", 2))
        old = world.difference(first, "a")
        other = world.difference(second, "a")
        new = world.difference(first, "b", current=False)
        frames.make_current(session, [first], [new])

    def current(session: Session) -> list[str]:
        found = frames.current_differences_of_night(session, "sim", "2025-03-04")
        return [run.id for _, run in found]

    with catalogue.begin() as session:
        assert current(session) == [new, other]
        frames.make_current(session, [first], [old])
        assert current(session) == [old, other]
        pairs = frames.differences_with_frames(session, "sim", "2025-03-04")
        assert [(run.id, key) for run, key in pairs] == [
            (old, "processed/x"),
            (other, "processed/x"),
        ]


def test_a_night_names_its_reference_or_why_it_has_none(catalogue: Catalogue):
    with catalogue.begin() as session:
        world = World(session)
        reference_id = world.reference()
        member = world.observation("2025-03-01")
        # Twice: all its columns are the key.
        for _ in range(2):
            row = ReferenceMember(reference_id=reference_id, observation_id=member)
            upsert(session, [row])
        night = functools.partial(NightReference, survey="sim", night="2025-03-04", field="f1")
        upsert(
            session,
            [
                night(band="r", reference_id=reference_id),
                night(band="g", reason={"code": "x"}),
            ],
        )
        chosen = frames.night_reference(session, "sim", "2025-03-04", "f1", "r")
        missing = frames.night_reference(session, "sim", "2025-03-04", "f1", "g")
        reference = frames.reference_of(session, chosen)
        assert reference is not None
        assert reference.id == reference_id
        assert frames.reference_of(session, missing) is None
        assert frames.reference_of(session, None) is None
        assert missing is not None
        assert missing.reason == {"code": "x"}
        assert frames.reference_by_version(session, reference.version) is reference
        assert frames.reference_by_version(session, "nothing") is None
        members = frames.reference_members(session, reference_id)
        assert [row.id for row in members] == [member]
        choices = frames.night_references(session, "sim", "2025-03-04")
        assert [choice.band for choice in choices] == ["g", "r"]


def test_anchors_are_found_by_survey(catalogue: Catalogue):
    with catalogue.begin() as session:
        world = World(session)
        anchor = FieldAnchor(
            id=ids.anchor_id("sim", "f1", "r"),
            survey="sim",
            field="f1",
            band="r",
            is_local=False,
            observation_id=world.observation("2025-03-01"),
            stars_key="k",
            created_at=WHEN,
        )
        upsert(session, [anchor])
        found = frames.field_anchor(session, "sim", "f1", "r")
        assert found is not None
        assert found.is_local is False
        assert frames.field_anchor(session, "sim", "f1", "g") is None


def test_a_gate_holds_back_its_night_for_later_assets_only(catalogue: Catalogue):
    with catalogue.begin() as session:
        gates.record(session, "sim", "n1", "difference_images", [verdict("c", passed=False)])
        gates.record(session, "sim", "n2", "detections", [verdict("d", passed=False)])
        gates.record(session, "sim", "n3", "detections", [verdict("d", passed=True)])
        gates.record(session, "other", "n4", "detections", [verdict("d", passed=False)])
        assert gates.blocked_nights(session, "sim", "processed_frames") == set()
        assert gates.blocked_nights(session, "sim", "difference_images") == {"n1"}
        assert gates.blocked_nights(session, "sim", "validated_labels") == {"n1", "n2"}


def test_a_repeated_verdict_keeps_its_time_and_a_changed_one_does_not(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
):
    stored = []
    for passed in (True, True, False):
        with catalogue.begin() as session:
            both = [verdict("a", passed=passed), verdict("b", passed=True)]
            gates.record(session, "sim", "n", "detections", both)
        with catalogue.read() as session:
            rows = gates.verdicts_of_night(session, "sim", "n")
        stored.append({row.gate: row.judged_at for row in rows})
    assert stored[0] == stored[1]
    assert stored[2]["a"] > stored[1]["a"]
    assert stored[2]["b"] == stored[1]["b"]


def test_a_verdict_that_is_no_longer_given_goes(catalogue: Catalogue):
    with catalogue.begin() as session:
        both = [verdict("a", passed=True), verdict("b", passed=False)]
        gates.record(session, "sim", "n", "detections", both)
        gates.record(session, "sim", "n", "detections", both[:1])
        assert gates.verdicts(session, "sim", "n", "detections") == [
            gates.StoredVerdict(
                gate="a", passed=True, holds_back=True, value=1.0, limit=">= 1", detail="d"
            )
        ]
        gates.record(session, "sim", "n", "detections", [])
        assert session.scalars(select(GateVerdict)).all() == []


def test_verdicts_on_a_night_follow_the_graph(catalogue: Catalogue):
    with catalogue.begin() as session:
        for asset in ("detections", "raw_observations", "processed_frames"):
            gates.record(session, "sim", "n", asset, [verdict(passed=asset[0] == "r")])
        found = gates.verdicts_of_night(session, "sim", "n")
        assert [row.asset[0] for row in found] == ["r", "p", "d"]
        assert len(gates.latest(session)) == 3
        assert {row.asset[0] for row in gates.latest(session, failed_only=True)} == {
            "p",
            "d",
        }


def test_a_summary_keeps_its_time_until_something_changes(catalogue: Catalogue):
    finished = []
    for counts, input_hash in (
        ({"frames": 1, "list": (1, 2)}, "a"),
        ({"frames": 1, "list": (1, 2)}, "a"),
        ({"frames": 1, "list": (1, 2)}, "b"),
        ({"frames": 2, "list": (1, 2)}, "b"),
    ):
        with catalogue.begin() as session:
            gates.record_summary(session, "sim", "n", "detections", counts, input_hash)
        with catalogue.read() as session:
            row = gates.night_summary(session, "sim", "n", "detections")
        assert isinstance(row, NightSummary)
        finished.append(row.finished_at)
    assert finished[0] == finished[1] < finished[2] < finished[3]


def test_summaries_are_chosen_by_survey_asset_and_dates(catalogue: Catalogue):
    with catalogue.begin() as session:
        for survey in ("a", "b"):
            for night in ("2025-03-01", "2025-03-02", "2025-03-03"):
                for asset in ("raw_observations", "detections"):
                    gates.record_summary(session, survey, night, asset, {}, "h")
        found = gates.summaries(
            session,
            survey="b",
            asset="detections",
            start="2025-03-02",
            end="2025-03-03",
        )
        assert [(row.survey, row.night, row.asset) for row in found] == [
            ("b", "2025-03-02", "detections"),
            ("b", "2025-03-03", "detections"),
        ]
        assert len(gates.summaries(session)) == 12


def test_the_current_difference_is_a_row_like_any_other(catalogue: Catalogue):
    with catalogue.begin() as session:
        world = World(session)
        frame = world.processed(world.observation("2025-03-04"))
        world.difference(frame)
        world.difference(frame)
        assert len(session.scalars(select(DifferenceRun)).all()) == 1
