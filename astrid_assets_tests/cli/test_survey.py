"""Adding, updating, listing and checking surveys, without restarting anything."""

from __future__ import annotations

import pytest

from astrid_assets.cli.surveys import profile_toml
from astrid_assets.cli.workplace import dagster_instance
from astrid_assets.surveys.profile import SurveyProfile
from astrid_assets.surveys.profile_sources import FolderSource
from astrid_assets.surveys.sources.simulated import demo_profiles


def survey_keys() -> list[str]:
    with dagster_instance() as instance:
        return list(instance.get_dynamic_partitions("survey"))


@pytest.mark.slow
def test_a_folder_becomes_a_survey_that_the_graph_knows(cli, frames, home):
    added = cli("survey", "add", "mine", "--folder", str(frames))
    assert added.exit_code == 0, added.output
    assert survey_keys() == ["mine"]
    shown = cli("survey", "show", "mine")
    profile = SurveyProfile.from_toml(shown.output)
    assert profile.name == "mine"
    assert isinstance(profile.source, FolderSource)
    assert str(profile.source.path) == str(frames)
    assert (home / "surveys" / "mine.toml").read_text() == shown.output


@pytest.mark.slow
def test_adding_again_updates_the_profile_and_keeps_one_key(cli, frames, tmp_path):
    cli("survey", "add", "mine", "--folder", str(frames))
    file = tmp_path / "mine.toml"
    old = cli("survey", "show", "mine").output
    file.write_text(old.replace('description = ""', 'description = "edited"'))
    again = cli("survey", "add", str(file))
    assert again.output.startswith("Updated mine")
    assert survey_keys() == ["mine"]
    assert "edited" in cli("survey", "list").output


@pytest.mark.slow
def test_an_edited_suggestion_is_not_overwritten(cli, frames, home):
    cli("survey", "add", "mine", "--folder", str(frames))
    file = home / "surveys" / "mine.toml"
    file.write_text(file.read_text() + "\n# my notes\n")
    refused = cli("survey", "add", "mine", "--folder", str(frames))
    assert refused.exit_code == 1
    assert "has been edited" in refused.output
    assert "# my notes" in file.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["mine"], "where are the frames"),
        (["Mine", "--folder", "{frames}"], "not a survey name"),
        (["mine", "--folder", "{frames}/nothing"], "does not exist"),
        (["{frames}/none.toml"], "cannot be read"),
        (["a.toml", "--folder", "{frames}"], "leave --folder out"),
    ],
)
def test_what_cannot_be_added_is_told_in_a_line(cli, frames, arguments, told):
    refused = cli("survey", "add", *(a.format(frames=frames) for a in arguments))
    assert refused.exit_code != 0
    assert told in refused.output
    assert "Traceback" not in refused.output
    assert "No survey yet" in cli("survey", "list").output


def test_a_relative_folder_is_refused_with_the_absolute_one(cli, frames, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\n[source]\nkind = "folder"\npath = "frames"\n')
    refused = cli("survey", "add", str(file))
    assert refused.exit_code == 1
    assert f'path = "{frames}"' in refused.output


def test_an_unknown_key_of_a_profile_is_named(cli, frames, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        f'name = "mine"\ncolour = "red"\n[source]\nkind = "folder"\npath = "{frames}"\n'
    )
    refused = cli("survey", "add", str(file))
    assert refused.exit_code == 1
    assert "colour" in refused.output


@pytest.mark.slow
def test_checking_a_folder_shows_nights_and_a_profile_that_parses(cli, frames):
    checked = cli("survey", "check", str(frames))
    assert checked.exit_code == 0, checked.output
    assert "2025-03-01 3, 2025-03-02 3" in checked.output
    suggested = checked.output[checked.output.index('name = "') :]
    assert SurveyProfile.from_toml(suggested).name == "frames"


def test_checking_frames_of_which_none_is_usable_fails(cli, tmp_path):
    folder = tmp_path / "junk"
    folder.mkdir()
    (folder / "junk.fits").write_bytes(b"this is no FITS file")
    checked = cli("survey", "check", str(folder))
    assert checked.exit_code == 1
    assert "Refused" in checked.output


@pytest.mark.slow
def test_an_unknown_survey_is_told_with_those_there_are(cli, frames):
    cli("survey", "add", "mine", "--folder", str(frames))
    shown = cli("survey", "show", "yours")
    assert shown.exit_code == 1
    assert "there are: mine" in shown.output


def test_a_profile_written_as_toml_reads_back_as_it_was():
    for profile in demo_profiles():
        assert SurveyProfile.from_toml(profile_toml(profile)) == profile
