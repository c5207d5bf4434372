"""Kept figures are on their page, with what they depend on, and nothing that is private."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from benchmarks.figures import shown
from docs.generate import figures_page
from docs.generate.results import BENCHMARKS, Result, results, scripts

KEPT = results()


def test_there_are_kept_results() -> None:
    assert len(KEPT) >= 5
    assert set(KEPT) <= set(scripts())


@pytest.mark.parametrize("result", KEPT.values(), ids=KEPT)
def test_a_kept_result_was_measured_at_a_clean_commit(result: Result) -> None:
    about = result.about
    assert re.fullmatch("[0-9a-f]{40}", about["commit"]["hash"])
    assert about["commit"]["dirty"] is False
    assert about["command"].startswith(f"python -m benchmarks.{result.name} --keep")
    assert datetime.fromisoformat(about["date"]).tzinfo is not None
    assert result.figures


@pytest.mark.parametrize("name", KEPT)
def test_a_kept_result_names_no_path_and_no_host(name: str) -> None:
    text = (BENCHMARKS / "results" / f"{name}.json").read_text()
    assert re.findall(r"(?<![\w/])/(?:home|root|tmp|work|usr|Users|mnt)\b[^\"]*", text) == []
    assert set(KEPT[name].about["machine"]) == {"cpu", "cores", "memory_gib", "os", "python"}


@pytest.mark.slow
@pytest.mark.parametrize("result", KEPT.values(), ids=KEPT)
def test_every_figure_is_on_the_page_below_its_command(result: Result) -> None:
    page = figures_page.page()
    section = page.split(f"({result.name}-figures)=")[1].split("-figures)=")[0]
    assert result.about["command"] in section
    assert result.about["commit"]["hash"][:12] in section
    assert result.about["date"][:10] in section
    rows = [line for line in section.splitlines() if line.startswith("|")]
    for figure in result.figures:
        assert any(f"| {shown(figure.value)} |" in row for row in rows), figure


def test_a_benchmark_without_figures_is_named_on_the_page() -> None:
    missing = [name for name in scripts() if name not in KEPT]
    assert ("No figures are kept of" in figures_page.page()) == bool(missing)


def test_a_figure_that_is_missing_says_what_to_run() -> None:
    result = next(iter(KEPT.values()))
    with pytest.raises(LookupError, match=r"run `python -m benchmarks\.\w+"):
        result.value("no such row", "CPU time", "s")
