"""`astrid backfill` on a folder of tiny frames, through the real graph."""

from __future__ import annotations

import shutil

import pytest

from astrid_assets.cli.workplace import dagster_instance, open_catalogue
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.queries import gates, observations

pytestmark = pytest.mark.slow

RAW = ("--upto", "raw_observations")


def run_count() -> int:
    with dagster_instance() as instance:
        return instance.get_runs_count()


def finished_nights(survey: str) -> list[str]:
    with open_catalogue().read() as session:
        rows = gates.summaries(session, survey=survey, asset="raw_observations")
    return [row.night for row in rows]


@pytest.fixture
def survey(cli, frames) -> str:
    assert cli("survey", "add", "mine", "--folder", str(frames)).exit_code == 0
    return "mine"


def test_every_night_of_the_source_runs_and_is_counted(cli, survey):
    ran = cli("backfill", "--survey", survey, *RAW)
    assert ran.exit_code == 0, ran.output
    assert finished_nights(survey) == ["2025-03-01", "2025-03-02"]
    rows = [line.split() for line in ran.output.splitlines() if "2025-03-0" in line]
    assert [row[:3] for row in rows] == [
        ["mine", "2025-03-01", "3"],
        ["mine", "2025-03-02", "3"],
    ]


def test_running_again_changes_no_row(cli, survey):
    cli("backfill", *RAW)
    with open_catalogue().read() as session:
        before = [
            (row.id, row.registered_at, row.raw_key)
            for night in observations.nights(session, survey)
            for row in observations.observations_of_night(session, survey, night)
        ]
    assert cli("backfill", *RAW).exit_code == 0
    with open_catalogue().read() as session:
        after = [
            (row.id, row.registered_at, row.raw_key)
            for night in observations.nights(session, survey)
            for row in observations.observations_of_night(session, survey, night)
        ]
    assert len(before) == 6
    assert after == before


def test_only_the_dates_asked_for_run(cli, survey):
    ran = cli("backfill", "--from", "2025-03-02", "--to", "2025-03-05", *RAW)
    assert ran.exit_code == 0, ran.output
    assert finished_nights(survey) == ["2025-03-02"]


def test_dates_without_frames_are_refused_with_those_that_have(cli, survey):
    ran = cli("backfill", "--from", "2026-01-01", *RAW)
    assert ran.exit_code == 1
    assert "2 nights from 2025-03-01 to 2025-03-02" in ran.output
    assert run_count() == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--from", "2025-03-05", "--to", "2025-03-01"], "lies before"),
        (["--from", "yesterday"], "write YYYY-MM-DD"),
        (["--survey", "yours"], "there is no survey 'yours'"),
        (["--upto", "trained_unet"], "is not one of"),
        (["--workers", "0"], "is not in the range"),
    ],
)
def test_senseless_requests_are_told(cli, survey, arguments, told):
    ran = cli("backfill", *arguments)
    assert ran.exit_code != 0
    assert told in ran.output
    assert "Traceback" not in ran.output


def test_without_a_survey_it_says_how_to_add_one(cli):
    ran = cli("backfill")
    assert ran.exit_code == 1
    assert "astrid survey add" in ran.output


def test_a_source_that_vanished_is_told(cli, survey, frames):
    shutil.rmtree(frames)
    ran = cli("backfill", *RAW)
    assert ran.exit_code == 1
    assert "does not exist" in ran.output
    assert "Traceback" not in ran.output


def test_an_unreadable_file_is_counted_and_the_night_goes_on(cli, survey, frames):
    (frames / "broken.fits").write_bytes(b"SIMPLE  =                    T / no more")
    ran = cli("backfill", *RAW)
    assert ran.exit_code == 0, ran.output
    assert finished_nights(survey) == ["2025-03-01", "2025-03-02"]


def test_status_shows_what_has_run_and_what_has_not(cli, survey):
    before = cli("status").output
    (row,) = [line.split() for line in before.splitlines() if line.startswith("mine")]
    assert row[:4] == ["mine", "–", "0", "0"]
    cli("backfill", *RAW)
    overview = cli("status").output
    (row,) = [line.split() for line in overview.splitlines() if "2025-03-02" in line]
    assert row[:4] == ["mine", "2025-03-02", "2", "6"]
    assert "ranked by S/N alone" in overview
    nights = cli("status", "--survey", survey).output
    (row,) = [line.split() for line in nights.splitlines() if "2025-03-01" in line]
    # Three frames, none refused; whatever comes later has not run.
    assert row == ["mine", "2025-03-01", "3", "–", "0", "–", "–", "–", "–"]


def test_status_says_which_nights_a_changed_profile_has_left_behind(cli, survey):
    cli("backfill", *RAW)
    assert "Outdated" not in cli("status").output
    with open_catalogue().begin() as session:
        session.get_one(Survey, survey).profile_toml += "\n[detector]\nread_noise_e = 7\n"
    overview = " ".join(cli("status").output.split())
    assert "Outdated mine 2025-03-01 to 2025-03-02" in overview
    assert "(raw_observations of 2)" in overview
    assert "`astrid backfill --survey mine` does them again" in overview
    nights = "".join(cli("status", "--survey", survey).output.split())
    assert nights.count("outdated:raw_observations") == 2
    cli("backfill", *RAW)
    assert "Outdated" not in cli("status").output
