"""Which detections a collection takes: every setting, and what is never taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydantic import ValidationError
from sqlalchemy import select, update

from astrid_assets.compute import Compute
from astrid_assets.steps.learning.collect import collect_dataset
from astrid_assets.steps.learning.opening import open_dataset
from astrid_assets.steps.learning.selection import Selection, choose_samples
from astrid_assets.steps.learning.settings import CollectionSettings, TooFewLabels
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection
from astrid_assets.storage.database.tables.frames import PreprocessRun
from astrid_assets.storage.database.tables.learning import SurveyScore
from astrid_assets.storage.database.tables.review import Label
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.objects.object_store import open_object_store
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.steps.learning.many_labels import ManyLabels

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    store = open_object_store(str(tmp_path / "store"))
    return Tools(new_catalogue(tmp_path), store, Compute())


def add(tools: Tools, first: int, count: int, **sky: object) -> list[str]:
    """Add nights of 50 detections; returns them."""
    source = sky.pop("source", "person")
    made = ManyLabels(tools.catalogue, tools.store, frames_per_night=1, per_frame=50, **sky)  # pyright: ignore[reportArgumentType]  fields by name
    return made.add_nights(first, count, source)  # pyright: ignore[reportArgumentType]


def selected(tools: Tools, **settings: object) -> Selection:
    asked = CollectionSettings.model_validate({"min_samples": 10} | settings)
    with tools.catalogue.read() as session:
        return choose_samples(session, asked)


def names(selection: Selection) -> set[str]:
    return {one.row.detection_id for one in selection.chosen}


def change(tools: Tools, table: type, column: object, wanted: list[str], **values: object) -> None:
    with tools.catalogue.begin() as session:
        session.execute(update(table).where(column.in_(wanted)).values(**values))  # pyright: ignore[reportAttributeAccessIssue]


def score(tools: Tools, detections: list[str], scores: list[float]) -> None:
    with tools.catalogue.begin() as session:
        upsert(
            session,
            [
                SurveyScore(detection_id=d, name="drb", score=s, imported_at=now())
                for d, s in zip(detections, scores, strict=True)
            ],
        )


def test_reviewers_that_were_not_sure_are_left_out_and_counted(tools: Tools):
    unsure = add(tools, 0, 1, confidence=0.5)
    sure, silent = add(tools, 1, 1, confidence=0.9), add(tools, 2, 1)
    found = selected(tools)
    assert names(found) == {*sure, *silent}
    assert found.left_out == {"low_reviewer_confidence": 50}
    assert found.considered == 150
    assert names(selected(tools, confidence_threshold=0.4)) == {*unsure, *sure, *silent}
    stated = {one.row.detection_id: one.reviewer_confidence for one in found.chosen}
    assert stated[sure[0]] == pytest.approx(0.9)
    assert stated[silent[0]] is None


def test_types_quality_and_agreement_choose(tools: Tools):
    detections = add(tools, 0, 2)
    with tools.catalogue.read() as session:
        real = set(session.scalars(select(Label.detection_id).where(Label.label == "real")))
    supernovae = sorted(real)[:5]
    change(tools, Label, Label.detection_id, supernovae, classification="supernova")
    found = selected(tools, anomaly_types=["supernova"], max_class_ratio=100)
    assert {one.row.detection_id for one in found.chosen if one.is_real} == set(supernovae)
    assert found.left_out["other_type"] == len(real) - 5
    change(tools, Label, Label.detection_id, detections[:7], agreement=0.6)
    assert selected(tools, min_agreement=0.7).left_out == {"low_agreement": 7}
    with tools.catalogue.begin() as session:
        frame = session.get_one(Detection, detections[0]).observation_id
        session.execute(
            update(PreprocessRun)
            .where(PreprocessRun.observation_id == frame)
            .values(quality_score=0.3)
        )
    found = selected(tools, quality_score_threshold=0.5)
    assert found.left_out == {"low_frame_quality": 50}


def test_a_cone_and_a_box_choose_by_position_over_zero_too(tools: Tools):
    detections = add(tools, 0, 2)
    ra = (350 + np.arange(100) * 0.2) % 360
    with tools.catalogue.begin() as session:
        for name, value in zip(detections, ra.tolist(), strict=True):
            candidate = session.get_one(Detection, name).candidate_id
            row = session.get_one(CandidateRow, candidate)
            row.ra_deg, row.dec_deg = value, 60.0
    offset = np.abs((ra + 180) % 360 - 180)
    # A degree of right ascension is half a degree on the sky at declination 60.
    cone = {detections[i] for i in np.flatnonzero(offset * 0.5 < 2.001)}
    assert names(selected(tools, cone_deg=[0, 60, 2])) == cone
    box = {detections[i] for i in np.flatnonzero(offset < 5.001)}
    found = selected(tools, box_deg=[355, 5, 50, 70])
    assert names(found) == box
    assert found.left_out == {"outside_region": 100 - len(box)}
    assert names(selected(tools, box_deg=[0, 360, 50, 70])) == set(detections)
    for region in ({"cone_deg": [1, 2]}, {"box_deg": [1]}):
        with pytest.raises(ValidationError, match=r"takes (three|four) numbers"):
            CollectionSettings.model_validate(region)


def test_members_stay_as_a_set_grows(tools: Tools):
    add(tools, 0, 4)
    before = names(selected(tools, max_samples=100))
    add(tools, 4, 2)
    after = selected(tools, max_samples=100)
    old = {one.row.detection_id for one in after.chosen if one.row.night <= "2025-03-04"}
    assert old <= before
    assert len(after.chosen) == 100
    nights = [one.row.night for one in after.chosen]
    assert len(set(nights)) == 6, "not only the most recent"
    assert after.left_out == {"thinned": 200}


def test_a_rare_class_is_kept_whole_and_the_rows_say_what_they_stand_for(tools: Tools):
    add(tools, 0, 6, real_fraction=0.05)
    everything = selected(tools, max_class_ratio=1000, hard_negatives=0)
    n_real = sum(one.is_real for one in everything.chosen)
    found = selected(tools, max_class_ratio=3, hard_negatives=0)
    assert sum(one.is_real for one in found.chosen) == n_real
    assert len(found.chosen) == 4 * n_real
    stood_for = sum(one.stands_for for one in found.chosen)
    assert stood_for == pytest.approx(len(everything.chosen), rel=0.02)


def test_hard_negatives_train_and_never_judge(tools: Tools):
    detections = add(tools, 0, 6, real_fraction=0.1)
    with tools.catalogue.read() as session:
        bogus = session.scalars(select(Label.detection_id).where(Label.label == "bogus")).all()
    hard = sorted(bogus)[:4]
    change(tools, Detection, Detection.id, detections, score_kind="model", score=0.01)
    change(tools, Detection, Detection.id, hard, score=0.97)
    found = selected(tools, max_class_ratio=2, hard_negatives=0.2)
    added = {one.row.detection_id for one in found.chosen if not one.may_judge}
    drawn = {one.row.detection_id for one in found.chosen if one.may_judge}
    assert set(hard) <= added | drawn
    assert set(hard) & added
    assert all(one.stands_for == 0 for one in found.chosen if not one.may_judge)
    assert all(not one.is_real for one in found.chosen if not one.may_judge)


def test_unreviewed_detections_come_only_when_asked_for_and_are_marked(tools: Tools):
    labelled, unlabelled = add(tools, 0, 2), add(tools, 2, 1, source=None)
    assert names(selected(tools)) == set(labelled)
    found = selected(tools, validation_status="any")
    assert names(found) == {*labelled, *unlabelled}
    presumed = [one for one in found.chosen if one.row.detection_id in unlabelled]
    assert {(one.row.label, one.row.source, one.may_judge) for one in presumed} == {
        ("bogus", "unreviewed", False)
    }


def test_survey_scores_label_nothing_that_somebody_labelled_and_are_off_by_default(tools: Tools):
    labelled, scored = add(tools, 0, 1), add(tools, 1, 1, source=None)
    score(tools, labelled, [0.99] * 50)
    score(tools, scored, [0.95] * 10 + [0.05] * 10 + [0.5] * 30)
    assert names(selected(tools)) == set(labelled)
    sources = ["person", "survey_score"]
    found = selected(tools, sources=sources)
    silver = {one.row.detection_id: one for one in found.chosen if one.row.source == sources[1]}
    assert {name: one.row.label for name, one in silver.items()} == (
        dict.fromkeys(scored[:10], "real") | dict.fromkeys(scored[10:20], "bogus")
    )
    assert not any(one.may_judge for one in silver.values())
    judging = selected(tools, sources=sources, judge_on_survey_score=["bogus"])
    assert not any(one.may_judge for one in judging.chosen if one.row.source == "survey_score"), (
        "people called others bogus here"
    )


def test_a_survey_without_bogus_labels_may_be_judged_by_its_own_score(tools: Tools):
    add(tools, 0, 2, source="catalogue", real_fraction=1.0)
    scored = add(tools, 2, 2, source=None)
    score(tools, scored, [0.95] * 50 + [0.02] * 50)
    asked = {"sources": ["catalogue", "survey_score"], "judge_on_survey_score": ["bogus"]}
    may = {one.row.detection_id for one in selected(tools, **asked).chosen if one.may_judge}
    assert may >= set(scored[50:])
    assert not may & set(scored[:50])


def test_what_only_trains_is_spare_where_its_object_judges(tools: Tools, tmp_path: Path):
    add(tools, 0, 2)
    scored = add(tools, 2, 2, source=None)
    score(tools, scored, [0.95] * 50 + [0.02] * 50)
    settings = CollectionSettings(
        sources=["person", "survey_score"], survey_score_weight=0.5, min_class_weight=0
    )
    version = collect_dataset(tools, settings, created_by="ada")
    table = open_dataset(tools, version.row, tmp_path / "work").samples
    silver = table.filter(table["source"] == "survey_score")
    trains = silver.filter(silver["split"] == "train")
    assert 30 < len(trains) < 90, "those whose side is train"
    assert set(silver["split"]) == {"train", "spare"}
    assert set(trains["weight"]) == {0.5}
    assert silver["agreement"].null_count() == len(silver), "nobody voted"
    assert set(table.filter(table["source"] == "person")["weight"]) == {1.0}
    report = version.collected
    assert len(silver) == 100
    assert report.kept + sum(report.left_out.values()) == report.considered
    assert version.row.collection_report is not None
    assert version.row.collection_report["left_out"] == report.left_out


def test_too_few_labels_are_explained_by_what_was_left_out(tools: Tools):
    add(tools, 0, 1, confidence=0.2)
    with pytest.raises(TooFewLabels, match=r"0 labelled detections.*50 low reviewer confidence"):
        selected(tools)
