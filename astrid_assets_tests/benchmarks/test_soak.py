"""Long proofs, `make soak`, and the shortest version of each among the ordinary tests."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from astrid_assets.resources.home import project_root
from benchmarks import soak_season, soak_skies
from benchmarks.figures import Figures, parser_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROOFS = [
    pytest.param(soak_season.main, ["--kills", "1", "--nights", "1"], id="season-short"),
    pytest.param(
        soak_skies.main, ["--seeds", "101", "--nights", "6", "--side", "384"], id="skies-short"
    ),
    pytest.param(soak_season.main, ["--keep"], id="season-long", marks=pytest.mark.soak),
    pytest.param(
        soak_season.main, ["--services"], id="season-on-services-long", marks=pytest.mark.soak
    ),
    pytest.param(soak_skies.main, ["--keep"], id="skies-long", marks=pytest.mark.soak),
]
NOTHING = soak_season.Remains({"frames": [("a",)]}, frozenset({"raw/a.fits"}))


@pytest.mark.slow
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize(("proof", "words"), PROOFS)
def test_the_proof_holds(proof: Callable[[Sequence[str]], int], words: Sequence[str]) -> None:
    assert proof(words) == 0


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (replace(NOTHING, rows={"frames": [("b",)]}), "table frames"),
        (replace(NOTHING, rows={"frames": [("a",), ("a",)]}), "2 rows, 1 expected"),
        (replace(NOTHING, keys=frozenset()), "missing"),
        (replace(NOTHING, keys=NOTHING.keys | {"raw/b"}), "not expected"),
    ],
)
def test_whatever_differs_after_a_kill_is_named(found: soak_season.Remains, line: str) -> None:
    (said,) = soak_season.differences(NOTHING, found)
    assert line in said
    assert soak_season.differences(NOTHING, NOTHING) == []


@pytest.mark.parametrize(
    ("sky", "said"),
    [
        (soak_skies.Sky(100, 99, 50, 30, 40, 24), None),
        (soak_skies.Sky(100, 90, 50, 30, 40, 24), "10 of 100 changes above S/N 10 were lost"),
        (soak_skies.Sky(100, 99, 50, 45, 40, 24), "the next frame suggests 0.79-0.96"),
        (soak_skies.Sky(100, 99), "nothing is shown"),
    ],
)
def test_a_sky_that_breaks_a_claim_fails(sky: soak_skies.Sky, said: str | None) -> None:
    failures = soak_skies.judged(Figures(parser_of("soak_skies", soak_skies.__doc__), []), sky)
    assert len(failures) == (said is not None)
    assert all(str(said) in text for text in failures)


@pytest.mark.slow
def test_a_soak_does_not_run_unless_asked_for() -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", __file__],
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "season-short" in listed
    assert "-long" not in listed
