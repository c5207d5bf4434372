"""What the learning assets show in the UI and keep in MLflow."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from astrid_assets.assets._nightly import picture_metadata
from astrid_assets.learning.gate.card_text import card_markdown
from astrid_assets.pictures.thumbnails import cutout_sheet
from astrid_assets.science.quality.gate import value_in_words
from astrid_assets.steps.learning.evaluation_pictures import CAPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from astrid_assets.learning.evaluation import Evaluation
    from astrid_assets.science.quality.gate import Judged
    from astrid_assets.steps.learning.collect import DatasetVersion
    from astrid_assets.steps.learning.deploy import DeploymentReport
    from astrid_assets.steps.learning.train import TrainedVersion

Metadata = dict[str, dg.MetadataValue]

LEARNING_FRESHNESS = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(days=90), warn_window=timedelta(days=30)
)
"""A month without a new version, or without a look at the champion: labels have dried up, or the
sensor `retraining` is off. Partitioned assets have none (`steps.learning.watching.of_surveys`)."""


def dataset_metadata(
    dataset: DatasetVersion, verdicts: Sequence[Judged], mlflow_run: str
) -> Metadata:
    """Return counts, quality and example cutouts of a dataset version."""
    row = dataset.row
    return {
        "dataset_id": dg.MetadataValue.text(row.id),
        "status": dg.MetadataValue.text(f"{row.status}: {row.status_reason}"),
        "samples": dg.MetadataValue.int(row.total_samples),
        "seconds": dg.MetadataValue.float(dataset.collected.seconds),
        "considered": dg.MetadataValue.int(dataset.collected.considered),
        "left out": dg.MetadataValue.json(dataset.collected.left_out),
        "anomaly_ratio": dg.MetadataValue.float(row.anomaly_ratio),
        "quality_score": dg.MetadataValue.float(row.quality_score),
        "splits": dg.MetadataValue.json(dataset.split_counts),
        "quality": dg.MetadataValue.json(row.quality_report),
        "content_hash": dg.MetadataValue.text(row.content_hash),
        "mlflow_run": dg.MetadataValue.text(mlflow_run),
        "is_new": dg.MetadataValue.bool(dataset.is_new),
        "moved to another side": dg.MetadataValue.int(
            sum(len(move.detection_ids) for move in dataset.moves)
        ),
        "real above, bogus below": picture_metadata(
            cutout_sheet(dataset.examples, columns=5), "science, reference, score"
        ),
        **gate_metadata(verdicts),
    }


def training_metadata(trained: TrainedVersion, verdicts: Sequence[Judged]) -> Metadata:
    """Return curves and evaluation of a training."""
    metadata: Metadata = {
        "model": dg.MetadataValue.text(f"{trained.model.name} version {trained.model.version}"),
        "onnx_sha256": dg.MetadataValue.text(trained.model.onnx_sha256),
        "mlflow_run": dg.MetadataValue.text(str(trained.run.mlflow_run_id)),
        "epochs": dg.MetadataValue.int(len(trained.history)),
        "was_known": dg.MetadataValue.bool(trained.was_known),
        **evaluation_metadata(trained.evaluation),
        **gate_metadata(verdicts),
    }
    for name, caption in CAPTIONS.items():
        if name in trained.pictures:
            metadata[name.replace("_", " ")] = picture_metadata(trained.pictures[name], caption)
    return metadata


def deployment_metadata(report: DeploymentReport) -> Metadata:
    """Return the decision and the numbers that led to it."""
    metadata: Metadata = {
        "action": dg.MetadataValue.text(report.action),
        "reason": dg.MetadataValue.text(report.reason),
        "in force": dg.MetadataValue.text(
            f"{report.model.name} version {report.model.version}"
            if report.model
            else "no model: detections keep the S/N ranking"
        ),
    }
    if report.card is not None:
        metadata["verdict"] = dg.MetadataValue.text(report.card.verdict)
        metadata["evidence card"] = dg.MetadataValue.md(card_markdown(report.card))
    if report.n_unseen:
        metadata["test samples that no training saw"] = dg.MetadataValue.int(report.n_unseen)
    if report.challenger is not None:
        metadata |= evaluation_metadata(report.challenger)
    return metadata


def evaluation_metadata(evaluation: Evaluation) -> Metadata:
    """Return the numbers of an evaluation: model against plain S/N, with intervals."""
    reliability, shares = evaluation.reliability, evaluation.shares
    rankings = [
        f"| {name.replace('_', ' ')} | {_interval(model)} | {_interval(snr)} |"
        for (name, model), snr in zip(
            vars(evaluation.model).items(),
            vars(evaluation.snr_ranking).values(),
            strict=True,
        )
    ]
    at_threshold = [
        f"| {name.replace('_', ' ')} | {_interval(value) if value else 'not measured'} |"
        for name, value in shares.items()
    ]
    mixes = [
        f"| {at.prevalence:g} | {_interval(at.purity) if at.purity else 'nothing called real'} |"
        for at in evaluation.purities
    ]
    others = [
        f"| {name} | {against.n} | {_interval(against.other.roc_auc)} | "
        f"{_interval(against.gain.roc_auc)} |"
        for name, against in evaluation.baselines.items()
    ]
    metadata: Metadata = {
        "roc_auc": dg.MetadataValue.float(evaluation.model.roc_auc.value),
        "average_precision": dg.MetadataValue.float(evaluation.model.average_precision.value),
        "calibration_error": dg.MetadataValue.float(evaluation.calibration_error),
        "calibration_error by chance, at most": dg.MetadataValue.float(
            reliability.largest_expected_error
        ),
        "mcc": dg.MetadataValue.float(evaluation.mcc),
        "evaluation": dg.MetadataValue.md(
            f"{evaluation.n_real} real, {evaluation.n_bogus} bogus of {evaluation.n_objects} "
            "objects that the training never saw; in brackets 95 %\n\n"
            "| | model | plain S/N |\n|---|---|---|\n" + "\n".join(rankings)
        ),
        "at the threshold": dg.MetadataValue.md(
            f"Score {evaluation.threshold:.3f} and above is called real\n\n"
            "| | |\n|---|---|\n" + "\n".join(at_threshold)
        ),
        "purity at other shares of real": dg.MetadataValue.md(
            "| share of real | purity |\n|---|---|\n" + "\n".join(mixes)
        ),
    }
    if others:
        metadata["against other scores"] = dg.MetadataValue.md(
            "| score | detections | ROC AUC | the model gains |\n|---|---|---|---|\n"
            + "\n".join(others)
        )
    return metadata


def gate_metadata(verdicts: Sequence[Judged]) -> Metadata:
    """Return one line for each gate that failed."""
    return {
        f"gate {v.gate}": dg.MetadataValue.text(
            f"FAILED: {value_in_words(v.value, v.limit)} (limit {v.limit}); {v.detail}"
        )
        for v in verdicts
        if not v.passed
    }


def _interval(interval: object) -> str:
    values: Mapping[str, float] = vars(interval)
    return f"{values['value']:.4f} ({values['low']:.4f} – {values['high']:.4f})"
