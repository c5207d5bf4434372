"""The loop that every nightly step shares: what it computes, passes over and commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from astrid_assets.compute import Compute
from astrid_assets.science.quality.gate import Verdict
from astrid_assets.steps.nights import NightPlan, NightReport, Tools, finish, run_nights
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.small_survey import add_survey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from astrid_assets.surveys.profile import SurveyProfile

ASSET = "processed_frames"


class Step:
    """A step that doubles numbers, and remembers what it was asked to do."""

    def __init__(self, folder: Path) -> None:
        self.catalogue = new_catalogue(folder)
        self.profile: SurveyProfile = add_survey(
            self.catalogue, 'name = "s"\n[source]\nkind = "simulated"\n'
        )
        self.tools = Tools(self.catalogue, FolderObjectStore(folder / "store"), Compute())
        self.done: list[int] = []
        self.committed: list[tuple[str, list[int]]] = []

    def work(self, number: int) -> int:
        """Double a number; a negative one cannot be doubled."""
        if number < 0:
            raise ValueError("negative")
        self.done.append(number)
        return 2 * number

    def commit(self, plan: NightPlan[int], found: list[int]) -> NightReport:
        """Keep a night as a step does."""
        self.committed.append((plan.night, found))
        verdict = Verdict(
            gate="sums", holds_back=True, value=sum(found), lowest=0, detail="all there"
        )
        report = NightReport("s", plan.night, ASSET, {"sum": sum(found)}, (verdict,))
        with self.catalogue.begin() as session:
            finish(session, report, plan.input_hash)
        return report

    def run(
        self, plans: Sequence[NightPlan[int]], *, force: bool = False
    ) -> list[tuple[str, object, bool]]:
        """Run the nights: night, sum and whether it was unchanged."""
        reports = run_nights(
            self.tools, self.profile, ASSET, plans, self.work, self.commit, force=force
        )
        return [(r.night, r.summary["sum"], r.unchanged) for r in reports]


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return Step(tmp_path)


PLANS = [
    NightPlan("2025-03-01", [1, 2], "first"),
    NightPlan("2025-03-02", [], "empty"),
    NightPlan("2025-03-03", [3], "third"),
]


def test_every_night_gets_the_outcomes_of_its_own_tasks_in_order(step: Step) -> None:
    assert step.run(PLANS) == [
        ("2025-03-01", 6, False),
        ("2025-03-02", 0, False),
        ("2025-03-03", 6, False),
    ]
    assert step.committed == [("2025-03-01", [2, 4]), ("2025-03-02", []), ("2025-03-03", [6])]


def test_only_a_night_whose_inputs_changed_is_computed_again(step: Step) -> None:
    step.run(PLANS)
    step.done.clear()
    changed = [PLANS[0], PLANS[1], NightPlan("2025-03-03", [5], "another")]
    assert step.run(changed) == [
        ("2025-03-01", 6, True),
        ("2025-03-02", 0, True),
        ("2025-03-03", 10, False),
    ]
    assert step.done == [5]


def test_a_forced_run_computes_every_night(step: Step) -> None:
    step.run(PLANS)
    step.done.clear()
    assert [unchanged for *_, unchanged in step.run(PLANS, force=True)] == [False] * 3
    assert step.done == [1, 2, 3]


def test_nights_before_a_failure_are_kept_and_not_repeated(step: Step) -> None:
    broken = [*PLANS[:2], NightPlan("2025-03-03", [-1], "third")]
    with pytest.raises(ValueError, match="negative"):
        step.run(broken)
    assert [night for night, _ in step.committed] == ["2025-03-01", "2025-03-02"]
    step.done.clear()
    step.run(PLANS)
    assert step.done == [3]


def test_a_night_that_lacks_an_outcome_is_not_committed(
    step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Compute, "map", lambda *_: iter([2]))
    with pytest.raises(RuntimeError):
        step.run(PLANS)
    assert step.committed == []


def test_an_unchanged_night_has_its_stored_verdicts(step: Step) -> None:
    step.run(PLANS[:1])
    (report,) = run_nights(
        step.tools, step.profile, ASSET, PLANS[:1], step.work, step.commit, force=False
    )
    assert [(v.gate, v.passed, v.value) for v in report.verdicts] == [("sums", True, 6)]
