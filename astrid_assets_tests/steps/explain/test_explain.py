"""Every way a frame can end is told, with the reason that was kept."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from astrid_assets.steps.explain.explain import explain
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets_tests import small_sky as sky
from astrid_assets_tests.catalogues import new_catalogue

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.steps.explain.explanation import Explanation, FrameExplanation


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> Explanation:
    folder: Path = tmp_path_factory.mktemp("explain")
    catalogue = new_catalogue(folder)
    store = FolderObjectStore(folder / "store")
    sky.small_sky(catalogue, store)
    return explain(catalogue, store, None, *sky.PLACE)


def frame(answer: Explanation, outcome: str) -> FrameExplanation:
    return next(frame for frame in answer.frames if frame.outcome == outcome)


def test_every_frame_of_the_field_is_told_in_order_of_time(answer: Explanation) -> None:
    told = [frame.outcome for frame in answer.frames if frame.night == sky.NIGHT]
    assert told == sky.OUTCOMES


def test_a_detection_is_told_with_its_numbers(answer: Explanation) -> None:
    found = frame(answer, "detected")
    assert found.is_covered
    assert (found.x, found.y) == pytest.approx((48, 48), abs=1e-6)
    assert found.score_sigma == pytest.approx(sky.SEEN_SIGMA, abs=1 / 32)
    flux = sky.SEEN_SIGMA * sky.FLUX_ERR_E
    assert found.flux_e == pytest.approx(flux, rel=0.005)
    limit = sky.ZERO_POINT_MAG - 2.5 * math.log10(5 * sky.FLUX_ERR_E)
    assert found.limit_mag == pytest.approx(limit, abs=0.002)
    assert found.candidates[0].is_kept
    assert found.reference_id is not None
    assert "no model was deployed" in found.sentence


def test_the_numbers_of_the_subtraction_are_told(answer: Explanation) -> None:
    told = frame(answer, "detected").subtraction
    assert told is not None
    values = {number.name: number.value for number in told.numbers}
    assert values == {name: sky.NUMBERS.get(name) for name in values}
    assert told.method_difference == sky.NUMBERS["cross_check"]["star_difference"]
    assert told.words == (
        "coverage 97 %, flux ratio 0.98, offset 0.21 px, residual power 0.3 %, std(S_corr) "
        "1.01 sigma, 41 common stars, scatter of flux ratio 1.5 %, scatter of registration "
        "0.03 px; not measured: PSF residual; methods differ by 0.7 %"
    )
    other = frame(answer, "below_threshold").subtraction
    assert other is not None
    assert other.words == ""
    assert frame(answer, "not_processed").subtraction is None


def test_a_dropped_candidate_is_told_with_all_its_reasons(answer: Explanation) -> None:
    dropped = frame(answer, "rejected_candidate")
    assert dropped.candidates[0].reasons == ["dipole", "edge"]
    assert "opposite sign" in dropped.sentence
    assert "-12.0 sigma" in dropped.sentence


def test_what_is_too_faint_is_told_with_the_threshold(answer: Explanation) -> None:
    faint = frame(answer, "below_threshold")
    assert faint.peak_sigma == pytest.approx(sky.FAINT_SIGMA, abs=1 / 32)
    assert "a candidate needs 5" in faint.sentence


def test_a_mask_is_named(answer: Explanation) -> None:
    assert frame(answer, "masked").masked_by == ["saturated"]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("frame_rejected", "3 times as long as wide"),
        ("difference_rejected", "std(S_corr) is 2.1"),
        ("no_difference", "0 earlier good frames"),
        ("not_covered", "outside the frame"),
        ("not_processed", "not been processed"),
        ("held_back", "candidate density of detections is 900000, limit <= 200000"),
    ],
)
def test_the_reason_kept_is_the_reason_told(answer: Explanation, outcome: str, words: str) -> None:
    assert words in frame(answer, outcome).sentence


@pytest.mark.slow
def test_a_date_and_a_survey_narrow_the_question(tmp_path: Path) -> None:
    catalogue = new_catalogue(tmp_path)
    store = FolderObjectStore(tmp_path / "store")
    sky.small_sky(catalogue, store)
    one = explain(catalogue, store, sky.SURVEY, *sky.PLACE, sky.HELD_NIGHT)
    assert [frame.night for frame in one.frames] == [sky.HELD_NIGHT]
    assert explain(catalogue, store, "other", *sky.PLACE).frames == []
    newest = explain(catalogue, store, None, *sky.PLACE, max_frames=2)
    assert len(newest.frames) == 2
    assert newest.n_left_out == len(sky.OUTCOMES) + 1 - 2


def test_a_place_no_frame_covers_is_said_so(answer: Explanation) -> None:
    assert "10 frames" in answer.sentence
    json.dumps(asdict(answer), allow_nan=False)
