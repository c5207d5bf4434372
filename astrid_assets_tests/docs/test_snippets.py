"""Every snippet of the README and of the pages runs, or is read by what it is for."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import click
import numpy as np
import pytest

from astrid_assets.resources.home import project_root
from astrid_assets.surveys.profile import SurveyProfile
from astrid_assets_tests.standalone.two_files import two_files
from docs.generate.commands_page import commands

if TYPE_CHECKING:
    from pathlib import Path

ROOT = project_root()
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(p for p in sorted((ROOT / "docs").glob("**/*.md")) if "/_" not in p.as_posix()),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SIDE = 256
RAYS = ((40, 60), (120, 200), (210, 33))


def snippets(language: str) -> list[tuple[str, str]]:
    return [
        (f"{page.relative_to(ROOT)}-{number}", text)
        for page in PAGES
        for number, (kind, text) in enumerate(FENCE.findall(page.read_text()), 1)
        if kind == language
    ]


@pytest.fixture
def inputs(rng: np.random.Generator) -> dict[str, object]:
    """What snippets take as given: an image in electrons with three cosmic rays."""
    image = rng.normal(800, 30, (SIDE, SIDE)).astype(np.float32)
    for y, x in RAYS:
        image[y, x] += 3000
    return {"image": image, "bad": np.zeros((SIDE, SIDE), dtype=bool)}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "text"), snippets("python"))
def test_python_snippets_run(
    name: str, text: str, inputs: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if "science.fits" in text:
        made = two_files(tmp_path)
        made.science.rename("science.fits")
        made.reference.rename("reference.fits")
    exec(compile(text, name, "exec"), inputs)  # noqa: S102  our own pages


def test_the_snippet_of_the_readme_finds_the_cosmic_rays(inputs: dict[str, object]) -> None:
    text = next(text for name, text in snippets("python") if "find_cosmic_rays" in text)
    exec(text, inputs)  # noqa: S102  our own pages
    hits = inputs["hits"]
    assert isinstance(hits, np.ndarray)
    assert all(hits[y, x] for y, x in RAYS)
    assert np.count_nonzero(hits) < 20


@pytest.mark.parametrize(("name", "text"), snippets("toml"))
def test_toml_snippets_are_profiles(name: str, text: str) -> None:
    assert SurveyProfile.from_toml(text, where=name).name


def test_every_command_that_a_page_shows_exists_with_its_options() -> None:
    known = {tuple(path.split()): command for path, command in commands()}
    shown = [
        line
        for page in PAGES
        for line in re.findall(r"(?:^|`|bin/)(astrid [^`#\n]+)", page.read_text(), re.MULTILINE)
    ]
    assert len(shown) > 15
    for line in shown:
        words = shlex.split(line.replace("[", "").replace("]", ""))
        for alternative in words[1].split("|"):
            path = ("astrid", alternative)
            assert path in known, line
            path = _deepest(known, path, words[2:])
            options = {o for p in known[path].params for o in (*p.opts, *p.secondary_opts)}
            for word in words:
                if word.startswith("--"):
                    assert word.split("=")[0] in options, line


def _deepest(
    known: dict[tuple[str, ...], click.Command], path: tuple[str, ...], words: list[str]
) -> tuple[str, ...]:
    if isinstance(known[path], click.Group) and words:
        below = [(*path, name) for name in words[0].split("|")]
        assert all(name in known for name in below), below
        return below[0]
    return path
