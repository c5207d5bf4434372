"""The table of nights counts what the steps wrote down, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from astrid_assets.cli.night_table import night_counts, total
from astrid_assets.cli.workplace import open_catalogue
from astrid_assets.report.summary import collect_report
from astrid_assets.science.quality.gate import Verdict
from astrid_assets.storage.queries import gates
from astrid_assets_tests.small_survey import add_survey, profile_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

REFUSED = {"a.fits": {"code": "truncated", "message": "", "measurements": {}}}


@pytest.fixture
def session(home) -> Iterator[Session]:
    catalogue = open_catalogue()
    add_survey(catalogue, profile_toml(nights=2, side=256, name="s"))
    with catalogue.begin() as session:
        for night, asset, summary in (
            ("2025-03-01", "raw_observations", {"lights": 3, "refused": 0}),
            (
                "2025-03-02",
                "raw_observations",
                {"lights": 4, "refused": 1, "refused_because": REFUSED},
            ),
            (
                "2025-03-02",
                "processed_frames",
                {
                    "accepted": 2,
                    "rejected": 2,
                    "rejected_because": {"defocused": 1, "wrong_field": 1},
                },
            ),
            (
                "2025-03-02",
                "difference_images",
                {"differences": 1, "rejected": 1, "rejected_because": {"defocused": 1}},
            ),
            ("2025-03-02", "detections", {"candidates": 50, "detections": 20}),
            ("2025-03-02", "validated_labels", {"labelled": 7}),
        ):
            gates.record_summary(session, "s", night, asset, summary, "hash")
        for name, passed, holds_back in (
            ("coverage", False, True),
            ("score_noise", True, True),
            ("rejected_fraction", False, False),
        ):
            verdict = Verdict(
                gate=name,
                holds_back=holds_back,
                value=0.6 if passed else 0.1,
                lowest=0.5,
                detail="",
            )
            gates.record(session, "s", "2025-03-02", name, [verdict])
    with catalogue.read() as session:
        yield session


def test_a_night_has_the_counts_of_all_its_steps(session):
    row = night_counts(session, "s")[1]
    assert (row.frames, row.accepted, row.rejected) == (5, 2, 3)
    assert (row.differences, row.candidates, row.detections) == (1, 50, 20)
    assert row.labels == 7


def test_the_report_counts_the_frames_as_the_table_does(session):
    (survey,) = collect_report(open_catalogue()).surveys
    counts = night_counts(session, "s")
    assert [line.frames for line in survey.nights] == [row.frames for row in counts]
    assert survey.total("frames") == total(counts, "frames") == 8


def test_reasons_of_all_steps_are_counted_by_code(session):
    row = night_counts(session, "s")[1]
    assert row.reasons == {"truncated": 1, "defocused": 2, "wrong_field": 1}


def test_only_failed_gates_that_hold_back_are_named(session):
    assert night_counts(session, "s")[1].held_back == ["coverage"]


def test_what_has_not_run_is_not_zero(session):
    row = night_counts(session, "s")[0]
    assert (row.frames, row.rejected) == (3, 0)
    assert row.accepted is None
    assert row.detections is None


def test_only_the_nights_asked_for_are_returned_and_summed(session):
    (row,) = night_counts(session, "s", ["2025-03-02", "2025-04-01"])
    assert row.night == "2025-03-02"
    assert total(night_counts(session, "s"), "frames") == 8
    assert night_counts(session, "another") == []
