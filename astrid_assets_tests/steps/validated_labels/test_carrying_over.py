"""A few votes change the references of a simulated survey: labels follow their sources."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from astrid_assets.compute import Compute
from astrid_assets.science.labelling.consensus import SOURCES
from astrid_assets.steps.calibration_masters.masters import masters_nights
from astrid_assets.steps.detections.detect import detect_nights
from astrid_assets.steps.difference_images.subtract import subtract_nights
from astrid_assets.steps.nights import Tools
from astrid_assets.steps.processed_frames.process import process_nights
from astrid_assets.steps.raw_observations.ingest import register_from_source
from astrid_assets.steps.reference_frames.stack import reference_nights
from astrid_assets.steps.validated_labels.label import label_nights
from astrid_assets.storage.database.tables.review import ValidationEvent, VoteRow
from astrid_assets.storage.objects.object_store import open_object_store
from astrid_assets.storage.queries import gates
from astrid_assets.storage.queries.detection_rows import DetectionRow, select_detections
from astrid_assets.storage.review import labels
from astrid_assets.storage.review.events import Statement, record_statement
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.small_survey import NAME, add_survey, profile_toml, rows_of
from astrid_assets_tests.storage.world import WHEN

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.surveys.profile import SurveyProfile

pytestmark = pytest.mark.slow

NIGHTS = [f"2025-03-0{day}" for day in range(1, 6)]
TOML = profile_toml(nights=len(NIGHTS), side=256).replace("[reference]", "[reference]\nframes = 4")
STEPS = (
    register_from_source,
    masters_nights,
    process_nights,
    reference_nights,
    subtract_nights,
    detect_nights,
    label_nights,
)
PEOPLE = [source for source in SOURCES if source != "truth"]
REVIEWERS = ("ann", "bob")


@dataclass
class Reviewed:
    """A small survey that two reviewers have judged from end to end."""

    tools: Tools
    profile: SurveyProfile

    def run(self, *, force: tuple[object, ...] = ()) -> None:
        """Do all nights."""
        for step in STEPS:
            options = {"force": True} if step in force else {}
            for report in step(self.tools, self.profile, NIGHTS, **options):
                assert report.night in NIGHTS

    def detections(self) -> list[DetectionRow]:
        """Return what is current."""
        with self.tools.catalogue.read() as session:
            return [DetectionRow(*row) for row in session.execute(select_detections())]

    def labelled(self) -> dict[str, tuple[str, str | None]]:
        """Return what a dataset would take: label, and where it was carried over from."""
        with self.tools.catalogue.read() as session:
            rows = labels.labelled_detections(session, sources=PEOPLE)
        return {row.detection_id: (row.label, row.carried_from) for row in rows}

    def say(self, who: str, row: DetectionRow, label: str) -> None:
        """Record what a reviewer says."""
        with self.tools.catalogue.begin() as session:
            statement = Statement(
                event_key=f"{who}-{row.detection_id[:30]}",
                detection_id=row.detection_id,
                reviewer=who,
                label=label,
            )
            record_statement(session, statement, WHEN)


def same_source(old: DetectionRow, new: DetectionRow) -> bool:
    """Say whether two detections are of one source, by the rule that users are promised."""
    distance = ((old.x - new.x) ** 2 + (old.y - new.y) ** 2) ** 0.5
    return (
        old.observation_id == new.observation_id and old.sign == new.sign and distance < new.fwhm_px
    )


@pytest.fixture
def reviewed(tmp_path: Path) -> Reviewed:
    catalogue = new_catalogue(tmp_path)
    tools = Tools(catalogue, open_object_store(str(tmp_path / "store")), Compute("serial", 1))
    survey = Reviewed(tools, add_survey(catalogue, TOML))
    survey.run()
    return survey


def test_labels_follow_their_sources_when_votes_change_the_references(reviewed: Reviewed) -> None:
    old = reviewed.detections()
    members = {row.observation_id for row in old if row.night < "2025-03-04" and row.sign > 0}
    shining = min(members)
    said = {
        row.detection_id: "real" if row.observation_id == shining and row.sign > 0 else "bogus"
        for row in old
    }
    for row, who in itertools.product(old, REVIEWERS):
        reviewed.say(who, row, said[row.detection_id])
    reviewed.run()

    new = reviewed.detections()
    gone = [row for row in old if row.detection_id not in {now.detection_id for now in new}]
    assert len(gone) > 10, "the references have changed"
    again = {
        now.detection_id: [row for row in gone if same_source(row, now)]
        for now in new
        if now.detection_id not in said
    }
    lone = {id_: rows[0] for id_, rows in again.items() if len(rows) == 1}
    assert len(lone) > 5, "sources stand there again"
    labelled = reviewed.labelled()
    for id_, row in lone.items():
        assert labelled[id_] == (said[row.detection_id], row.detection_id)
    assert {id_ for id_ in labelled if id_ not in said} == {id_ for id_, r in again.items() if r}
    with reviewed.tools.catalogue.read() as session:
        votes = session.scalar(
            select(func.count()).where(VoteRow.detection_id.in_(lone), VoteRow.source == "person")
        )
        assert votes == len(REVIEWERS) * len(lone)
        told = sum(
            summary.summary["carried_over"]
            for summary in gates.summaries(session, survey=NAME, asset="validated_labels")
        )
        assert told == sum(rows != [] for rows in again.values())

    rows = rows_of(reviewed.tools.catalogue)
    reviewed.run()
    assert rows_of(reviewed.tools.catalogue) == rows
    reviewed.run(force=(detect_nights, label_nights))
    assert rows_of(reviewed.tools.catalogue) == rows

    for row in old:
        if said[row.detection_id] == "real":
            for who in REVIEWERS:
                with reviewed.tools.catalogue.begin() as session:
                    undo = Statement(
                        event_key=f"undo-{who}-{row.detection_id[:28]}",
                        detection_id=row.detection_id,
                        reviewer=who,
                        label="undo",
                    )
                    record_statement(session, undo, WHEN)
    reviewed.run()
    # The former references are back, and with them every detection and its own label.
    assert {row.detection_id for row in reviewed.detections()} == set(said)
    assert reviewed.labelled() == {
        id_: (label, None) for id_, label in said.items() if label == "bogus"
    }
    with reviewed.tools.catalogue.read() as session:
        n_events = session.scalar(select(func.count()).where(ValidationEvent.source == "person"))
    assert n_events == len(REVIEWERS) * (len(said) + sum(w == "real" for w in said.values()))
