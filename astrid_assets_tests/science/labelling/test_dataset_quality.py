"""The gate in front of training: what passes, what fails, and why."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.science.labelling.dataset_quality import (
    DatasetQualitySettings,
    LabelledSet,
    measure_dataset_quality,
)


def labelled(
    n: int = 100, *, real: float = 0.5, quality: float = 0.9, source: str = "person"
) -> LabelledSet:
    return LabelledSet(
        is_real=np.arange(n) < round(real * n),
        agreement=np.ones(n),
        image_quality=np.full(n, quality),
        source=np.array([source] * n, dtype="<U12"),
        survey=np.where(np.arange(n) % 4 == 0, "deep", "wide"),
        night=np.where(np.arange(n) < 30, "2025-03-01", "2025-03-02"),
        content_hash=np.arange(n).astype(str),
    )


def test_a_balanced_reviewed_sharp_set_scores_above_the_limit():
    report = measure_dataset_quality(labelled())
    assert report.quality_score > 0.8
    assert report.passed
    assert report.issues == ()


@pytest.mark.parametrize("real", [0.0, 1.0])
def test_a_set_of_one_class_scores_nothing_and_fails(real):
    report = measure_dataset_quality(labelled(real=real))
    assert report.quality_score == 0
    assert not report.passed
    assert any(f"{real:.1%} are real" in issue for issue in report.issues)


@pytest.mark.parametrize(
    ("real", "passes"), [(0.09, False), (0.1, True), (0.9, True), (0.91, False)]
)
def test_the_limits_of_the_anomaly_ratio_are_inclusive(real, passes):
    assert measure_dataset_quality(labelled(real=real)).passed is passes


@pytest.mark.parametrize(("quality", "passes"), [(0.69, False), (0.71, True)])
def test_blurred_images_fail(quality, passes):
    assert measure_dataset_quality(labelled(quality=quality)).passed is passes


def test_frames_without_a_measured_quality_count_as_bad():
    samples = labelled(quality=1.0)
    unmeasured = samples.image_quality.copy()
    unmeasured[:40] = np.nan
    report = measure_dataset_quality(replace(samples, image_quality=unmeasured))
    assert report.image_quality_score == pytest.approx(0.6)
    assert not report.passed


def test_labels_nobody_looked_at_fail():
    report = measure_dataset_quality(labelled(source="unreviewed"))
    assert report.reviewed_fraction == 0
    assert report.quality_score == 0
    assert not report.passed


def test_the_score_is_the_geometric_mean_of_its_four_shares():
    samples = labelled(quality=0.8, real=0.2)
    samples = replace(
        samples,
        agreement=np.full(100, 0.9),
        source=np.array(["person"] * 75 + ["unreviewed"] * 25),
    )
    report = measure_dataset_quality(samples)
    balance = np.sqrt(0.2 * 0.8) / 0.5
    assert report.quality_score == pytest.approx((balance * 0.8 * 0.9 * 0.75) ** 0.25)


def test_the_same_pixels_with_two_labels_are_inconsistent():
    samples = labelled()
    hashes = samples.content_hash.copy()
    hashes[-10:] = hashes[:10]  # ten bogus rows repeat ten real cutouts
    report = measure_dataset_quality(replace(samples, content_hash=hashes))
    assert report.label_consistency == pytest.approx(0.8)


def test_few_cutouts_fail_with_their_number():
    report = measure_dataset_quality(labelled(20))
    assert "20 labelled cutouts, at least 50 are needed" in report.issues[0]
    assert measure_dataset_quality(labelled(20), DatasetQualitySettings(min_samples=20)).passed


def test_an_empty_set_is_reported_not_raised():
    report = measure_dataset_quality(labelled(0))
    assert report.total_samples == 0
    assert not report.passed


def test_the_report_counts_surveys_and_nights_and_goes_into_json():
    report = measure_dataset_quality(labelled())
    assert report.survey_coverage == {"deep": 25, "wide": 75}
    assert report.temporal_distribution == {"2025-03-01": 30, "2025-03-02": 70}
    assert json.loads(json.dumps(report.as_dict()))["issues"] == []


def test_columns_of_different_length_are_an_error():
    with pytest.raises(ValueError, match="differ in length"):
        replace(labelled(), agreement=np.ones(3))
