"""What commands refuse before they do anything: empty names, files that have no folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from astrid_assets.cli.main import astrid

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets_tests.cli.conftest import Cli


@pytest.mark.parametrize(
    "words",
    [
        "deploy|",
        "deploy|--survey||--force|--because|trusted",
        "deploy|7|--survey| ",
        "rollback|--survey||--because|worse",
        "rollback|--to||--because|worse",
        "evaluate|",
        "evaluate|--dataset|",
        "mask|frame.fits|--model|",
    ],
)
def test_an_empty_name_is_not_taken_for_all(words: str) -> None:
    result = CliRunner().invoke(astrid, words.split("|"))
    assert result.exit_code == 2
    assert "it is empty: give a name, or leave it out" in result.output


@pytest.mark.parametrize("words", [["mask", "frame.fits"], ["evaluate", "--format", "json"]])
def test_a_file_without_a_folder_is_refused_before_the_work(
    words: list[str], tmp_path: Path
) -> None:
    result = CliRunner().invoke(astrid, [*words, "--output", str(tmp_path / "none" / "x")])
    assert result.exit_code == 2
    assert "there is no folder" in result.output


@pytest.mark.slow
def test_a_survey_that_is_not_there_is_not_said_to_follow_the_common_champion(cli: Cli) -> None:
    result = cli("rollback", "--survey", "nowhere", "--because", "worse")
    assert result.exit_code == 1
    assert "there is no survey 'nowhere'" in result.output
