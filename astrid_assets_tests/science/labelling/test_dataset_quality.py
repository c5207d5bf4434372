"""The gate in front of training: what passes, what fails, and why."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.science.labelling.dataset_quality import (
    DataQualityReport,
    measure_dataset_quality,
)
from astrid_assets.science.labelling.dataset_settings import DatasetQualitySettings
from astrid_assets.science.labelling.labelled_set import (
    LabelledSet,
    ReviewEvidence,
    drift_between,
)

DEFAULT = DatasetQualitySettings()


def labelled(
    n: int = 200, *, real: float = 0.5, quality: float = 0.95, source: str = "person"
) -> LabelledSet:
    """Return an ideal set: both classes everywhere, votes agree, pixels say the label."""
    number = np.arange(n)
    is_real = number < round(real * n)
    return LabelledSet(
        is_real=is_real,
        agreement=np.ones(n),
        n_votes=1 + number % 2,
        image_quality=np.full(n, quality),
        source=np.array([source] * n, dtype="<U12"),
        survey=np.where(number % 4 == 0, "deep", "wide"),
        night=np.char.add("2025-03-0", (1 + number % 5).astype(str)),
        content_hash=number.astype(str),
        duplicate=np.full(n, ""),
        split=np.array(["train", "train", "train", "val", "test"])[number % 5],
        snr=(5 + number % 7).astype(np.float64),
        probability=np.where(is_real, 0.95, 0.05),
    )


def reasons(samples: LabelledSet, evidence: ReviewEvidence | None = None) -> str:
    """Return the issues of a set that must not pass."""
    report = measure_dataset_quality(samples, evidence=evidence)
    assert report.quality_score < 0.8
    assert not report.passed
    return "; ".join(report.issues)


def test_an_ideal_set_scores_near_one_without_issues():
    good = ReviewEvidence(
        doubly_reviewed=100, kappa=0.95, noise=0.01, repeats=(20, 20), gold=(20, 20)
    )
    report = measure_dataset_quality(labelled(), evidence=good)
    assert report.quality_score > 0.95
    assert report.passed
    assert report.unknown == ()


@pytest.mark.parametrize("real", [0.0, 1.0])
def test_a_set_of_one_class_scores_nothing_and_fails(real):
    report = measure_dataset_quality(labelled(real=real))
    assert report.quality_score == 0
    assert not report.passed
    assert any(f"{real:.1%} are real" in issue for issue in report.issues)


@pytest.mark.parametrize(
    ("real", "passes"), [(0.095, False), (0.1, True), (0.9, True), (0.905, False)]
)
def test_the_limits_of_the_mix_are_inclusive(real, passes):
    assert measure_dataset_quality(labelled(1000, real=real)).passed is passes


def test_public_alerts_pass_by_a_setting_and_need_bogus_all_the_same():
    settings = DatasetQualitySettings(max_anomaly_ratio=0.97)
    alerts = labelled(1000, real=0.94)
    assert not measure_dataset_quality(alerts).passed
    assert measure_dataset_quality(alerts, settings).passed
    few = measure_dataset_quality(labelled(300, real=0.95), settings)
    assert [issue for issue in few.issues if "285 real and 15 bogus" in issue]


def test_one_real_in_two_hundred_passes_by_weights_or_by_a_setting():
    survey = labelled(8000, real=1 / 200)
    assert "raise min_class_weight" in reasons(survey)
    weighted = replace(survey, weight=np.where(survey.is_real, 199.0, 1.0))
    report = measure_dataset_quality(weighted)
    assert report.passed
    assert report.mix == pytest.approx(0.5)
    assert report.anomaly_ratio == pytest.approx(1 / 200)
    assert measure_dataset_quality(survey, DatasetQualitySettings(min_anomaly_ratio=0.004)).passed


def test_labels_at_random_of_one_reviewer_are_noticed(rng):
    samples = labelled()
    samples = replace(samples, n_votes=np.ones(200, dtype=int), probability=rng.random(200))
    assert "do not follow from the pixels" in reasons(samples)


def test_three_hundred_rows_of_two_cutouts_are_noticed():
    samples = labelled(300)
    shown = replace(samples, content_hash=samples.is_real.astype(str))
    assert "only 2 of 300 cutouts differ" in reasons(shown)
    # Copies with a little noise have hashes of their own.
    near = replace(samples, duplicate=samples.is_real.astype(str))
    assert "only 2 of 300 cutouts differ" in reasons(near)


def test_contradictory_labels_of_equal_cutouts_are_noticed():
    samples = labelled()
    hashes = samples.content_hash.copy()
    hashes[-10:] = hashes[:10]
    report = measure_dataset_quality(replace(samples, content_hash=hashes))
    assert "20 cutouts show the same pixels as others with the other label" in report.issues[0]
    assert report.label_consistency == pytest.approx(0.9)
    assert report.measured["consistency"] == pytest.approx(0.9)


def test_votes_that_hardly_agree_are_noticed_and_single_ones_prove_nothing():
    samples = labelled()
    disputed = replace(samples, agreement=np.full(200, 0.6))
    assert "mean agreement 0.60" in reasons(disputed)
    alone = replace(samples, n_votes=np.ones(200, dtype=int))
    report = measure_dataset_quality(alone)
    assert report.passed
    assert report.parts["agreement"] is None
    assert "agreement" in report.unknown


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (ReviewEvidence(gold=(30, 60)), "gold"),
        (ReviewEvidence(repeats=(24, 40)), "repeats"),
        (ReviewEvidence(doubly_reviewed=80, kappa=0.1, noise=0.05), "kappa 0.10"),
        (ReviewEvidence(doubly_reviewed=80, kappa=0.5, noise=0.3), "disagreement of pairs"),
    ],
)
def test_reviewers_who_contradict_what_is_known_are_noticed(evidence, words):
    assert words in reasons(labelled(), evidence)


def test_a_chance_error_of_a_reviewer_condemns_nobody():
    few = ReviewEvidence(doubly_reviewed=5, kappa=-0.2, noise=0.4, repeats=(1, 2), gold=(3, 4))
    assert measure_dataset_quality(labelled(), evidence=few).passed


def test_a_survey_that_gives_the_label_away_is_noticed():
    samples = labelled()
    given = replace(samples, survey=np.where(samples.is_real, "alerts", "own"))
    assert "the survey alone gives 100% of the labels away" in reasons(given)


@pytest.mark.parametrize(("quality", "passes"), [(0.69, False), (0.7, True)])
def test_poor_images_fail(quality, passes):
    assert measure_dataset_quality(labelled(quality=quality)).passed is passes


def test_an_unmeasured_image_counts_neither_as_bad_nor_as_good():
    samples = labelled(quality=0.9)
    unmeasured = samples.image_quality.copy()
    unmeasured[:80] = np.nan
    report = measure_dataset_quality(
        replace(samples, image_quality=unmeasured), image_parts={"whole": 1.0, "frame": None}
    )
    assert report.image_quality_score == pytest.approx(0.9)
    assert report.unknown == ("reviewers", "image: frame")
    nothing = replace(samples, image_quality=np.full(200, np.nan))
    report = measure_dataset_quality(nothing)
    assert report.image_quality_score is None
    assert report.parts["images"] is None
    assert report.passed


def test_labels_nobody_looked_at_fail_unless_a_setting_trusts_them():
    assert "0% of the labels come from a source that can know" in reasons(
        labelled(source="survey_score")
    )
    trusting = DatasetQualitySettings(trusted_sources=["survey_score"])
    assert measure_dataset_quality(labelled(source="survey_score"), trusting).passed


def test_labels_that_only_train_need_no_source_that_can_know():
    silver = labelled(source="survey_score")
    judges = np.arange(200) % 2 == 0
    source = np.where(judges, "person", silver.source)
    assert measure_dataset_quality(replace(silver, source=source, judges=judges)).passed


def test_few_cutouts_fail_with_their_number():
    report = measure_dataset_quality(labelled(40))
    assert "40 labelled cutouts, at least 50 are needed" in report.issues[0]
    assert measure_dataset_quality(labelled(40), DatasetQualitySettings(min_samples=40)).passed


def test_an_empty_set_is_reported_not_raised():
    report = measure_dataset_quality(labelled(0))
    assert report.total_samples == 0
    assert not report.passed


def test_the_report_tells_splits_nights_and_surveys_and_goes_into_json():
    report: DataQualityReport = measure_dataset_quality(labelled())
    assert report.survey_coverage == {"deep": 50, "wide": 150}
    assert report.effective_nights == pytest.approx(5)
    assert report.effective_surveys == pytest.approx(1.755, abs=0.01)
    assert report.splits["test"]["real"] == 20
    assert report.splits["test"]["snr_50"] == 8
    stored = json.loads(json.dumps(report.as_dict()))
    assert stored["issues"] == []
    assert stored["parts"]["balance"] == 1


def test_the_report_says_where_nearly_all_comes_from():
    samples = labelled()
    night = np.where(np.arange(200) < 195, "2025-03-01", "2025-03-02")
    [note] = measure_dataset_quality(replace(samples, night=night)).notes
    assert "98% of the cutouts are of the night 2025-03-01" in note
    one = measure_dataset_quality(replace(samples, night=np.full(200, "2025-03-01")))
    assert "all cutouts are of the night" in one.notes[0]


def test_drift_is_the_distance_from_the_version_before():
    samples = labelled()
    assert set(drift_between(samples, samples).values()) == {0.0}
    other = replace(labelled(real=0.8), survey=np.full(200, "new"), snr=np.full(200, 50.0))
    drift = drift_between(samples, other)
    assert drift["anomaly_ratio"] == pytest.approx(0.3)
    assert drift["survey"] == pytest.approx(1.0)
    assert drift["snr"] == pytest.approx(1.0)
    assert drift["source"] == 0
    assert measure_dataset_quality(samples, drift=drift).drift == drift


def test_columns_of_different_length_are_an_error():
    with pytest.raises(ValueError, match="differ in length"):
        replace(labelled(), agreement=np.ones(3))
