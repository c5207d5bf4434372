"""The README's figures are those that benchmarks kept; none is typed again."""

from __future__ import annotations

import re

import pytest

from benchmarks.figures import Figure
from docs.generate.readme_figures import BEGIN, BETWEEN, END, README, block
from docs.generate.results import Result, results


def test_the_readme_has_the_kept_figures() -> None:
    (written,) = BETWEEN.findall(README.read_text())
    assert written == block(results()), "run `python -m docs.generate.readme_figures`"


def test_no_other_line_that_names_a_benchmark_has_a_figure() -> None:
    around = BETWEEN.sub("", README.read_text())
    assert BEGIN not in around
    assert END not in around
    named = [line for line in around.splitlines() if re.search(r"\bbenchmarks[./]", line)]
    assert named
    assert [line for line in named if re.search(r"\d", line)] == []


def test_a_changed_result_changes_the_text() -> None:
    kept = results()
    faster = Result(
        "frames",
        kept["frames"].about,
        tuple(
            Figure(f.table, f.row, f.name, 0.001 if f.row == "trails" else f.value, f.unit)
            for f in kept["frames"].figures
        ),
    )
    before, after = block(kept), block(kept | {"frames": faster})
    assert "| trails | 0.001 |" in after
    assert before != after


def test_a_figure_that_is_kept_twice_is_not_chosen_between() -> None:
    twice = Result("x", {"command": "y"}, (Figure("t", "r", "n", 1), Figure("u", "r", "n", 2)))
    assert twice.value("r", "n", table="u") == 2
    with pytest.raises(LookupError, match="2 figures"):
        twice.value("r", "n")
