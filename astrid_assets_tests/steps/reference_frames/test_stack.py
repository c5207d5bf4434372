"""The references of nights: which frames they hold, why, and what they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from astrid_assets.compute import Compute
from astrid_assets.science.reference.stacking import depth_of
from astrid_assets.steps.nights import NightReport, Tools
from astrid_assets.steps.reference_frames.cost import LabelCost, label_cost
from astrid_assets.steps.reference_frames.stack import reference_nights
from astrid_assets.storage.database.tables.frames import PreprocessRun, ReferenceMember
from astrid_assets.storage.database.tables.review import Label, VoteRow
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.fits.frames import frame_from_fits, frame_to_fits
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets.storage.queries import frames, gates
from astrid_assets.surveys.profile import SurveyProfile
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.science.exposures import exposure
from astrid_assets_tests.storage.world import World

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

NIGHTS = [f"2025-03-0{day}" for day in range(1, 6)]
SHAPE = (256, 256)
TOML = """
name = "sim"
[source]
kind = "folder"
path = "/nowhere"
[reference]
frames = 3
"""


@dataclass
class Nights:
    """Two processed frames on each of three nights, and what is made of them."""

    tools: Tools
    ids: list[str]

    def references(self, more: str = "") -> dict[str, NightReport]:
        """Choose and stack the references of all nights with this profile."""
        profile = SurveyProfile.from_toml(TOML + more)
        reports = reference_nights(self.tools, profile, NIGHTS)
        return {report.night: report for report in reports}

    def chosen(self, night: str) -> str | None:
        """Return the id of a night's reference."""
        with self.tools.catalogue.read() as session:
            choice = frames.night_reference(session, "sim", night, "f1", "r")
        assert choice is not None
        return choice.reference_id

    def label(self, frame: int, source: str = "person", reviewers: int = 2) -> None:
        """Let so many reviewers call something on a frame real."""
        with self.tools.catalogue.begin() as session:
            world = World(session)
            observation = self.ids[frame]
            detection = world.detection(observation, world.difference(observation), (frame, frame))
            votes = [
                VoteRow(
                    detection_id=detection,
                    source=source,
                    reviewer=f"reviewer {number}",
                    label="real",
                    n_said=1,
                    sequence=number,
                )
                for number in range(reviewers)
            ]
            row = {
                "detection_id": detection,
                "label": "real",
                "classification": None,
                "source": source,
                "n_votes": reviewers,
                "agreement": 1.0,
                "last_sequence": 1,
                "given_sequence": 1,
            }
            upsert(session, votes)
            upsert(session, [Label(**row)])

    def cost(self, more: str = "") -> LabelCost:
        """Return what labels would change with this profile."""
        with self.tools.catalogue.read() as session:
            return label_cost(session, SurveyProfile.from_toml(TOML + more))


@pytest.fixture(scope="module")
def exposures() -> list[bytes]:
    shifts = ((0, 0, 0), (1.5, 0.4, 0), (-0.7, 2.1, 0))
    return [frame_to_fits(exposure(i, shifts[i % 3], SHAPE), None) for i in range(6)]


@pytest.fixture
def nights(tmp_path: Path, exposures: list[bytes]) -> Nights:
    catalogue = new_catalogue(tmp_path)
    store = FolderObjectStore(tmp_path / "store")
    made = Nights(Tools(catalogue, store, Compute()), [])
    with catalogue.begin() as session:
        world = World(session)
        for number, content in enumerate([*exposures, *exposures[:4]]):
            night = NIGHTS[number // 2]
            frame = world.processed(world.observation(night, number))
            run = session.scalars(
                select(PreprocessRun).where(PreprocessRun.observation_id == frame)
            ).one()
            run.frame_key = store.put(f"processed/{number}", content, ".fits")
            run.limiting_mag = depth_of(frame_from_fits(content))[0]
            run.field_coverage, run.bad_fraction = 1.0, 0.0
            made.ids.append(frame)
    return made


def table(report: NightReport) -> list[dict[str, object]]:
    rows = report.summary["ranking f1 r"]
    assert isinstance(rows, list)
    return rows


def test_a_complete_reference_is_shared_by_all_later_nights(nights: Nights) -> None:
    reports = nights.references()
    first, second, *others = [nights.chosen(night) for night in NIGHTS]
    assert first is None
    assert second not in {None, *others}
    assert len(set(others)) == 1
    assert others[0] is not None
    # Two nights are needed for three frames; the fourth is the least deep of them.
    rows = table(reports[NIGHTS[4]])
    assert [row["rank"] for row in rows] == [1, 2, 3, None]
    assert rows[3]["taken"] == "no: less good than those taken"
    depths = [float(str(row["limiting_mag"])) for row in rows]
    assert depths == sorted(depths, reverse=True)
    assert reports[NIGHTS[4]].summary["left_out f1 r"] == {"enough": 1}


def test_a_reference_keeps_its_depth_its_coverage_and_how_it_was_chosen(
    nights: Nights,
) -> None:
    reports = nights.references()
    with nights.tools.catalogue.read() as session:
        choice = frames.night_reference(session, "sim", NIGHTS[4], "f1", "r")
        reference = frames.reference_of(session, choice)
        assert reference is not None
        members = session.scalars(
            select(ReferenceMember)
            .where(ReferenceMember.reference_id == reference.id)
            .order_by(ReferenceMember.rank)
        ).all()
    stack = frame_from_fits(nights.tools.store.get(reference.frame_key))
    limit, coverage = depth_of(stack)
    assert reference.limiting_mag == pytest.approx(limit, abs=1e-3)
    assert reference.coverage == pytest.approx(coverage, abs=1e-4)
    rows = table(reports[NIGHTS[4]])
    assert reference.limiting_mag is not None
    assert reference.limiting_mag > float(str(rows[0]["limiting_mag"])) + 0.3
    assert [row.rank for row in members] == [1, 2, 3]
    assert sum(row.weight or 0 for row in members) == pytest.approx(1)
    assert reports[NIGHTS[4]].summary["limiting_mag f1 r"] == reference.limiting_mag


def test_a_frame_with_a_known_transient_leaves_the_references_of_later_nights(
    nights: Nights,
) -> None:
    before = nights.references()
    old = [nights.chosen(night) for night in NIGHTS]
    nights.label(0, source="truth")
    assert all(report.unchanged for report in nights.references().values())
    # One reviewer alone changes nothing, unless the profile says so.
    nights.label(2, reviewers=1)
    assert all(report.unchanged for report in nights.references().values())
    assert nights.cost() == LabelCost()
    assert nights.cost("known_transient_reviewers = 1").frames == {nights.ids[2]}
    nights.label(2)
    cost = nights.cost()
    assert cost.frames == {nights.ids[2]}
    assert cost.nights == tuple(NIGHTS[2:])
    assert (len(cost.deciding), cost.affected) == (1, 0)
    assert nights.cost('known_transients = "keep"') == LabelCost()
    for frame in (4, 6, 7):
        nights.label(frame, source="import", reviewers=1)
    nights.label(1, reviewers=1)
    words = (
        "1 label would remove 1 frame from the references of 3 nights; 3 labels are affected: "
        "carried over where the source is found again"
    )
    assert nights.cost().words == words
    after = nights.references()
    assert [nights.chosen(night) for night in NIGHTS][:2] == old[:2]
    new = {nights.chosen(night) for night in NIGHTS[2:]}
    assert len(new) == 1
    assert not new & {None, *old}
    # The night that changed states its part; afterwards nothing is left to change.
    assert "cost_of_labels" not in after[NIGHTS[1]].summary
    assert str(after[NIGHTS[3]].summary["cost_of_labels"]).startswith(
        "1 label would remove 1 frame from the references of 1 night; 2 labels are affected"
    )
    assert nights.cost() == LabelCost()
    rows = {row["frame"]: row["taken"] for row in table(after[NIGHTS[4]])}
    assert rows["light-f1-r-2.fits"] == "no: with known transients"
    with nights.tools.catalogue.read() as session:
        versions = {
            night: gates.data_version(session, "sim", night, "reference_frames") for night in NIGHTS
        }
    same = [n for n in NIGHTS if versions[n] == before[n].data_version]
    assert same == NIGHTS[:2]
    kept = nights.references('known_transients = "keep"')
    assert [nights.chosen(night) for night in NIGHTS] == old
    assert kept[NIGHTS[4]].data_version == before[NIGHTS[4]].data_version


def test_a_night_that_waits_says_that_transients_are_known_and_what_to_do(
    nights: Nights,
) -> None:
    for frame in range(2):
        nights.label(frame)
    nights.references()
    with nights.tools.catalogue.read() as session:
        choice = frames.night_reference(session, "sim", NIGHTS[1], "f1", "r")
    assert choice is not None
    assert choice.reference_id is None
    assert choice.reason is not None
    assert "2 with known transients" in choice.reason["message"]
    assert 'known_transients = "keep"' in choice.reason["message"]


def test_frames_that_a_person_wants_out_stay_out(nights: Nights) -> None:
    reports = nights.references('exclude = ["*-r-1.fits"]')
    rows = {row["frame"]: row["taken"] for row in table(reports[NIGHTS[4]])}
    assert rows["light-f1-r-1.fits"] == "no: under [reference] exclude"


def test_the_same_choice_is_not_made_again(nights: Nights) -> None:
    nights.references()
    again = nights.references("max_shallower_mag = 0.74")
    assert all(report.unchanged for report in again.values())
