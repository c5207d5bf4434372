"""What a benchmark prints is what it keeps, with what the figures depend on."""

from __future__ import annotations

import ast
import json
import math
import platform
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from astrid_assets.resources.home import project_root
from benchmarks import figures
from benchmarks.figures import Figure, Figures, layouts, parser_of

if TYPE_CHECKING:
    from argparse import ArgumentParser

BENCHMARKS = project_root() / "benchmarks"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Return the folder of results in a checkout of its own."""
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "speed.py").write_text("FASTER = 1\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "First"]):
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True)
    return folder / "results"


def run(results: Path, *words: str) -> Figures:
    measured = Figures(speed_parser(), words, results)
    measured.add("speed", "ours", "CPU time", np.float32(0.123456), "s")
    measured.add("speed", "theirs", "CPU time", 6.0, "s")
    measured.add("speed", "ours", "stars", 123456)
    measured.note("Not timed: the third.")
    return measured


def speed_parser() -> ArgumentParser:
    made = parser_of("speed", "How fast.\n\nLonger.")
    made.add_argument("--side", type=int, default=2048)
    made.add_argument("--sides", type=int, nargs="*", default=[1])
    made.add_argument("--cases", nargs="*", default=[])
    made.add_argument("--tiny", action="store_true")
    made.add_argument("--folder", type=Path)
    return made


def test_what_is_kept_is_what_is_printed(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(results, "--keep").finish()
    printed = capsys.readouterr().out
    kept = json.loads((results / "speed.json").read_text())
    values = [figure["value"] for figure in kept["figures"]]
    assert values == [0.1235, 6.0, 123456]
    assert all(figures.shown(value) in printed for value in values)
    assert kept["notes"] == ["Not timed: the third."]
    assert "Not timed: the third." in printed


def test_nothing_is_kept_unless_asked_for(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(results).finish()
    assert "CPU time, s" in capsys.readouterr().out
    assert not results.exists()


def test_figures_are_kept_with_what_they_depend_on(results: Path) -> None:
    run(results, "--keep", "--side", "64", "--folder", str(results)).finish()
    text = (results / "speed.json").read_text()
    kept = json.loads(text)
    assert kept["commit"] == figures.commit(results.parent)
    assert kept["command"] == "python -m benchmarks.speed --keep --side 64"
    assert kept["arguments"] == {"side": 64, "sides": [1], "cases": [], "tiny": False}
    assert set(kept["machine"]) == {"cpu", "cores", "memory_gib", "os", "python"}
    assert kept["machine"]["python"] == platform.python_version()
    assert kept["packages"]["numpy"] == np.__version__
    assert kept["date"].endswith("+00:00")
    for private in (platform.node(), str(Path.home()), str(results)):
        assert private not in text


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ((), "python -m benchmarks.speed --keep"),
        (("--tiny", "--sides", "64", "128"), "--keep --sides 64 128 --tiny"),
        (("--cases", "cosmic rays", "crowded"), '--keep --cases "cosmic rays" crowded'),
    ],
)
def test_the_command_makes_the_same_figures_again(words: tuple[str, ...], command: str) -> None:
    assert figures.command(speed_parser(), speed_parser().parse_args(words)).endswith(command)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_was_not_measured_is_no_figure(value: float, results: Path) -> None:
    with pytest.raises(ValueError, match="leave out what was not measured"):
        run(results).add("speed", "ours", "memory", value)


def test_a_wide_low_table_stands_on_its_side() -> None:
    wide = [Figure("t", "row", f"q{number}", number) for number in range(9)]
    (layout,) = layouts(wide)
    assert layout.cells[0] == ["", "row"]
    assert layout.cells[-1] == ["q8", "8"]
    (low,) = layouts(wide[:3])
    assert low.cells == [["", "q0", "q1", "q2"], ["row", "0", "1", "2"]]


def test_a_table_that_would_be_mostly_empty_is_a_list() -> None:
    (layout,) = layouts([Figure("t", f"r{n}", f"q{n}", n, f"u{n}") for n in range(3)])
    assert layout.cells[0] == ["", "", "value", "unit"]
    assert layout.cells[1:] == [[f"r{n}", f"q{n}", str(n), f"u{n}"] for n in range(3)]


def test_results_are_dirty_only_by_files_that_figures_depend_on(results: Path) -> None:
    run(results, "--keep").finish()
    assert (results / "speed.json").is_file()
    clean = figures.commit(results.parent)
    assert clean["dirty"] is False
    assert re.fullmatch("[0-9a-f]{40}", str(clean["hash"]))
    (results.parent / "speed.py").write_text("FASTER = 2\n")
    assert figures.commit(results.parent) == clean | {"dirty": True}


def test_keeping_outside_a_checkout_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="--keep needs a git checkout"):
        run(tmp_path, "--keep")


def test_every_script_can_keep_its_figures() -> None:
    scripts = [p for p in BENCHMARKS.glob("*.py") if 'if __name__ == "__main__"' in p.read_text()]
    assert len(scripts) > 10
    for path in scripts:
        calls = [
            ast.unparse(node)
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call)
        ]
        assert f"parser_of('{path.stem}', __doc__)" in calls, path
        assert "figures.finish()" in calls, path
