"""What a night's scores say about its mix, and in words why they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import select, update

from astrid_assets.steps.learning.expected_mix import expected_mix
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.database.tables.learning import Model
from astrid_assets.storage.database.upsert import upsert
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.storage.crowd import crowded_night
from astrid_assets_tests.storage.world import WHEN

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.orm import Session

NIGHT = "2025-03-04"
KNOWN = 0.4
SHARE = 0.1


def add_model(session: Session, name: str, **metrics: object) -> None:
    row = Model(
        id=name,
        name="unet",
        version=name,
        training_run_id=None,
        onnx_sha256=name,
        onnx_key="none",
        metrics=metrics,
        threshold=0.7,
        created_at=WHEN,
    )
    upsert(session, [row])


def scored_night(session: Session, rng: np.random.Generator, n: int) -> np.ndarray:
    """Add a night whose scores are right at `KNOWN`; returns which detections are real."""
    add_model(session, "1", calibration={"prevalence": KNOWN})
    ids = crowded_night(session, NIGHT, n, model_id="1")
    is_real = rng.random(n) < SHARE
    odds = np.exp(3 * (rng.normal(size=n) + 3 * is_real) - 4.5) * KNOWN / (1 - KNOWN)
    rows = [
        {"id": id_, "score": score, "score_kind": "model"}
        for id_, score in zip(ids, (odds / (1 + odds)).tolist(), strict=True)
    ]
    session.execute(update(Detection), rows)
    return is_real


def test_purity_and_completeness_of_a_night_are_expected_from_its_scores(tmp_path: Path, rng):
    with new_catalogue(tmp_path).begin() as session:
        is_real = scored_night(session, rng, 1500)
        rows = session.execute(select(Detection.id, Detection.score).order_by(Detection.id)).all()
        assert len(rows) == len(is_real)
        mix = expected_mix(session, "sim", NIGHT)
    found = mix.expected
    assert found is not None
    assert found.n == 1500
    assert found.prevalence.low < is_real.mean() < found.prevalence.high
    assert found.purity is not None
    assert found.completeness is not None
    assert found.purity.low < found.purity.value < found.purity.high
    assert found.completeness.low < found.completeness.value < found.completeness.high
    for words in ("unet version 1 calls", "of 1500 detections real", "expected purity", "%"):
        assert words in mix.sentence


def test_what_is_not_decided_is_counted_and_not_called_real(tmp_path: Path, rng):
    with new_catalogue(tmp_path).begin() as session:
        scored_night(session, rng, 300)
        scores = np.array(session.scalars(select(Detection.score)).all())
        before = expected_mix(session, "sim", NIGHT)
        rule = "[labels]\nundecided_odds = 4\n"
        session.execute(update(Survey).values(profile_toml=rule))
        mix = expected_mix(session, "sim", NIGHT)
    odds = scores / (1 - scores) / (0.7 / 0.3)
    undecided, real = int(((odds > 1 / 4) & (odds < 4)).sum()), int((odds > 4).sum())
    assert undecided > 5
    assert before.expected is not None
    assert mix.expected is not None
    assert (before.n_undecided, mix.n_undecided) == (0, undecided)
    assert before.expected.n_called > mix.expected.n_called == real
    assert "not decided" not in before.sentence
    said = f"; {undecided} ({undecided / 300:.1%}) are not decided (from 0.368 on)"
    assert f"calls {real} of 300 detections real (score 0.903 and above){said}" in mix.sentence


def test_outdated_detections_are_not_part_of_the_night(tmp_path: Path, rng):
    with new_catalogue(tmp_path).begin() as session:
        scored_night(session, rng, 40)
        former = session.scalars(select(Detection.candidate_id).limit(15)).all()
        session.execute(
            update(CandidateRow).where(CandidateRow.id.in_(former)).values(is_current=False)
        )
        found = expected_mix(session, "sim", NIGHT).expected
    assert found is not None
    assert found.n == 25


@pytest.mark.parametrize(
    ("models", "words"),
    [
        ([None], "no probability"),
        (["1", None], "scores of 2 kinds"),
        (["bare"], "unet version bare keeps no calibration"),
        ([], "No detections"),
    ],
)
def test_where_the_scores_do_not_say_the_reason_is_stated(tmp_path: Path, models, words):
    with new_catalogue(tmp_path).begin() as session:
        add_model(session, "1", calibration={"prevalence": KNOWN})
        add_model(session, "bare")
        for number, model_id in enumerate(models):
            crowded_night(session, NIGHT, 3, number=number, model_id=model_id)
        mix = expected_mix(session, "sim", NIGHT)
    assert mix.expected is None
    assert words in mix.sentence
    assert mix.purity == "–"
