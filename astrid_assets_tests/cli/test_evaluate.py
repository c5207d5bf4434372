"""`astrid evaluate`: what it refuses before anything is opened."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from astrid_assets.cli.evaluate import evaluate_command

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "members=3"], "belong to --cross-validate"),
        (["--temporal"], "belong to --cross-validate"),
        (["--cross-validate", "3", "--set", "nonsense=3"], "there is no setting nonsense"),
        (["--cross-validate", "3", "--set", "members"], "needs name=value"),
        (["--cross-validate", "3", "1"], "judges a way of training, not a model"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: list[str], said: str):
    result = CliRunner().invoke(evaluate_command, words)
    assert result.exit_code == 2
    assert said in result.output


def test_a_file_without_such_settings_is_named(tmp_path: Path):
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"members": 0}))
    words = ["--cross-validate", "3", "--settings", str(file)]
    result = CliRunner().invoke(evaluate_command, words)
    assert result.exit_code == 1
    assert f"{file}: " in result.output
