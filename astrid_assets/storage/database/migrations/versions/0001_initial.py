"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gate_verdicts",
        sa.Column("survey", sa.String(length=40), nullable=False),
        sa.Column("night", sa.String(length=10), nullable=False),
        sa.Column("asset", sa.String(length=40), nullable=False),
        sa.Column("gate", sa.String(length=60), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("holds_back", sa.Boolean(), nullable=False),
        sa.Column("value", sa.Float(precision=53), nullable=True),
        sa.Column("limit", sa.String(length=80), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("survey", "night", "asset", "gate", name=op.f("pk_gate_verdicts")),
    )
    op.create_table(
        "models",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("training_run_id", sa.String(length=36), nullable=True),
        sa.Column("onnx_sha256", sa.String(length=64), nullable=False),
        sa.Column("onnx_key", sa.Text(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("threshold", sa.Float(precision=53), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["training_run_id"],
            ["training_runs.id"],
            name=op.f("fk_models_training_run_id_training_runs"),
            use_alter=True,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("onnx_sha256", name=op.f("uq_models_onnx_sha256")),
    )
    op.create_table(
        "night_summaries",
        sa.Column("survey", sa.String(length=40), nullable=False),
        sa.Column("night", sa.String(length=10), nullable=False),
        sa.Column("asset", sa.String(length=40), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("input_hash", sa.String(length=64), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("survey", "night", "asset", name=op.f("pk_night_summaries")),
    )
    op.create_table(
        "surveys",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("profile_toml", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_surveys")),
    )
    op.create_table(
        "training_datasets",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("collection_params", sa.JSON(), nullable=False),
        sa.Column("total_samples", sa.Integer(), nullable=False),
        sa.Column("anomaly_ratio", sa.Float(precision=53), nullable=False),
        sa.Column("quality_score", sa.Float(precision=53), nullable=False),
        sa.Column("quality_report", sa.JSON(), nullable=False),
        sa.Column("images_key", sa.Text(), nullable=False),
        sa.Column("masks_key", sa.Text(), nullable=False),
        sa.Column("samples_key", sa.Text(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("mlflow_run_id", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=50), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_datasets")),
        sa.UniqueConstraint("content_hash", name=op.f("uq_training_datasets_content_hash")),
    )
    op.create_table(
        "calibration_masters",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("survey", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("band", sa.String(length=40), nullable=False),
        sa.Column("exposure_s", sa.Float(precision=53), nullable=True),
        sa.Column("night", sa.String(length=10), nullable=False),
        sa.Column("members", sa.JSON(), nullable=False),
        sa.Column("frame_key", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["survey"],
            ["surveys.name"],
            name=op.f("fk_calibration_masters_survey_surveys"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calibration_masters")),
    )
    op.create_table(
        "deployments",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("previous_model_id", sa.String(length=36), nullable=True),
        sa.Column("dataset_id", sa.String(length=36), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["training_datasets.id"],
            name=op.f("fk_deployments_dataset_id_training_datasets"),
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_deployments_model_id_models")
        ),
        sa.ForeignKeyConstraint(
            ["previous_model_id"],
            ["models.id"],
            name=op.f("fk_deployments_previous_model_id_models"),
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_deployments")),
    )
    op.create_table(
        "objects",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("survey", sa.String(length=40), nullable=False),
        sa.Column("ra_deg", sa.Float(precision=53), nullable=False),
        sa.Column("dec_deg", sa.Float(precision=53), nullable=False),
        sa.Column("healpix", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["survey"], ["surveys.name"], name=op.f("fk_objects_survey_surveys")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_objects")),
    )
    with op.batch_alter_table("objects", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_objects_healpix"), ["healpix"], unique=False)

    op.create_table(
        "observations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("survey", sa.String(length=40), nullable=False),
        sa.Column("night", sa.String(length=10), nullable=False),
        sa.Column("source_path", sa.Text(), nullable=False),
        sa.Column("hdu", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("raw_key", sa.Text(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.JSON(), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("field", sa.String(length=80), nullable=False),
        sa.Column("band", sa.String(length=40), nullable=False),
        sa.Column("observed_mjd", sa.Float(precision=53), nullable=True),
        sa.Column("exposure_s", sa.Float(precision=53), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["survey"], ["surveys.name"], name=op.f("fk_observations_survey_surveys")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_observations")),
        sa.UniqueConstraint("survey", "sha256", "hdu", name=op.f("uq_observations_survey")),
    )
    with op.batch_alter_table("observations", schema=None) as batch_op:
        batch_op.create_index("ix_observations_survey_night", ["survey", "night"], unique=False)

    op.create_table(
        "reference_frames",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("survey", sa.String(length=40), nullable=False),
        sa.Column("field", sa.String(length=80), nullable=False),
        sa.Column("band", sa.String(length=40), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("last_night", sa.String(length=10), nullable=False),
        sa.Column("n_frames", sa.Integer(), nullable=False),
        sa.Column("frame_key", sa.Text(), nullable=False),
        sa.Column("fwhm_px", sa.Float(precision=53), nullable=True),
        sa.Column("limiting_mag", sa.Float(precision=53), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["survey"],
            ["surveys.name"],
            name=op.f("fk_reference_frames_survey_surveys"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reference_frames")),
        sa.UniqueConstraint("version", name=op.f("uq_reference_frames_version")),
    )
    with op.batch_alter_table("reference_frames", schema=None) as batch_op:
        batch_op.create_index(
            "ix_reference_frames_field", ["survey", "field", "band"], unique=False
        )

    op.create_table(
        "source_files",
        sa.Column("survey", sa.String(length=40), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("nights", sa.JSON(), nullable=False),
        sa.Column("profile_hash", sa.String(length=64), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["survey"], ["surveys.name"], name=op.f("fk_source_files_survey_surveys")
        ),
        sa.PrimaryKeyConstraint("survey", "path", name=op.f("pk_source_files")),
    )
    op.create_table(
        "training_runs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("model_id", sa.String(length=36), nullable=True),
        sa.Column("mlflow_run_id", sa.String(length=255), nullable=True),
        sa.Column("training_params", sa.JSON(), nullable=False),
        sa.Column("performance_metrics", sa.JSON(), nullable=True),
        sa.Column("status", sa.String(length=50), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["training_datasets.id"],
            name=op.f("fk_training_runs_dataset_id_training_datasets"),
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_training_runs_model_id_models")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_runs")),
    )
    op.create_table(
        "difference_runs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("observation_id", sa.String(length=36), nullable=False),
        sa.Column("reference_id", sa.String(length=36), nullable=True),
        sa.Column("settings_hash", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=20), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("difference_key", sa.Text(), nullable=True),
        sa.Column("std_score", sa.Float(precision=53), nullable=True),
        sa.Column("flux_ratio", sa.Float(precision=53), nullable=True),
        sa.Column("flux_ratio_scatter", sa.Float(precision=53), nullable=True),
        sa.Column("n_stars", sa.Integer(), nullable=True),
        sa.Column("coverage", sa.Float(precision=53), nullable=True),
        sa.Column("offset_px", sa.Float(precision=53), nullable=True),
        sa.Column("limiting_mag", sa.Float(precision=53), nullable=True),
        sa.Column("area_deg2", sa.Float(precision=53), nullable=True),
        sa.Column("subtracted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["observation_id"],
            ["observations.id"],
            name=op.f("fk_difference_runs_observation_id_observations"),
        ),
        sa.ForeignKeyConstraint(
            ["reference_id"],
            ["reference_frames.id"],
            name=op.f("fk_difference_runs_reference_id_reference_frames"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_difference_runs")),
        sa.UniqueConstraint(
            "observation_id",
            "reference_id",
            "settings_hash",
            name=op.f("uq_difference_runs_observation_id"),
        ),
    )
    with op.batch_alter_table("difference_runs", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_difference_runs_observation_id"),
            ["observation_id"],
            unique=False,
        )

    op.create_table(
        "field_anchors",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("survey", sa.String(length=40), nullable=False),
        sa.Column("field", sa.String(length=80), nullable=False),
        sa.Column("band", sa.String(length=40), nullable=False),
        sa.Column("observation_id", sa.String(length=36), nullable=False),
        sa.Column("stars_key", sa.Text(), nullable=False),
        sa.Column("is_local", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["observation_id"],
            ["observations.id"],
            name=op.f("fk_field_anchors_observation_id_observations"),
        ),
        sa.ForeignKeyConstraint(
            ["survey"], ["surveys.name"], name=op.f("fk_field_anchors_survey_surveys")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_field_anchors")),
        sa.UniqueConstraint("survey", "field", "band", name=op.f("uq_field_anchors_survey")),
    )
    op.create_table(
        "night_references",
        sa.Column("survey", sa.String(length=40), nullable=False),
        sa.Column("night", sa.String(length=10), nullable=False),
        sa.Column("field", sa.String(length=80), nullable=False),
        sa.Column("band", sa.String(length=40), nullable=False),
        sa.Column("reference_id", sa.String(length=36), nullable=True),
        sa.Column("reason", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["reference_id"],
            ["reference_frames.id"],
            name=op.f("fk_night_references_reference_id_reference_frames"),
        ),
        sa.ForeignKeyConstraint(
            ["survey"],
            ["surveys.name"],
            name=op.f("fk_night_references_survey_surveys"),
        ),
        sa.PrimaryKeyConstraint(
            "survey", "night", "field", "band", name=op.f("pk_night_references")
        ),
    )
    op.create_table(
        "preprocess_runs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("observation_id", sa.String(length=36), nullable=False),
        sa.Column("settings_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("frame_key", sa.Text(), nullable=True),
        sa.Column("n_stars", sa.Integer(), nullable=True),
        sa.Column("fwhm_px", sa.Float(precision=53), nullable=True),
        sa.Column("elongation", sa.Float(precision=53), nullable=True),
        sa.Column("sky_level_e", sa.Float(precision=53), nullable=True),
        sa.Column("sky_rms_e", sa.Float(precision=53), nullable=True),
        sa.Column("zero_point_mag", sa.Float(precision=53), nullable=True),
        sa.Column("zero_point_scatter_mag", sa.Float(precision=53), nullable=True),
        sa.Column("transparency", sa.Float(precision=53), nullable=True),
        sa.Column("limiting_mag", sa.Float(precision=53), nullable=True),
        sa.Column("astrometric_rms_px", sa.Float(precision=53), nullable=True),
        sa.Column("n_matched", sa.Integer(), nullable=True),
        sa.Column("bad_fraction", sa.Float(precision=53), nullable=True),
        sa.Column("ra_deg", sa.Float(precision=53), nullable=True),
        sa.Column("dec_deg", sa.Float(precision=53), nullable=True),
        sa.Column("radius_deg", sa.Float(precision=53), nullable=True),
        sa.Column("area_deg2", sa.Float(precision=53), nullable=True),
        sa.Column("quality_score", sa.Float(precision=53), nullable=True),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["observation_id"],
            ["observations.id"],
            name=op.f("fk_preprocess_runs_observation_id_observations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_preprocess_runs")),
        sa.UniqueConstraint("observation_id", name=op.f("uq_preprocess_runs_observation_id")),
    )
    op.create_table(
        "reference_members",
        sa.Column("reference_id", sa.String(length=36), nullable=False),
        sa.Column("observation_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["observation_id"],
            ["observations.id"],
            name=op.f("fk_reference_members_observation_id_observations"),
        ),
        sa.ForeignKeyConstraint(
            ["reference_id"],
            ["reference_frames.id"],
            name=op.f("fk_reference_members_reference_id_reference_frames"),
        ),
        sa.PrimaryKeyConstraint(
            "reference_id", "observation_id", name=op.f("pk_reference_members")
        ),
    )
    op.create_table(
        "candidates",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("difference_id", sa.String(length=36), nullable=False),
        sa.Column("peak_x", sa.Integer(), nullable=False),
        sa.Column("peak_y", sa.Integer(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("x", sa.Float(precision=53), nullable=False),
        sa.Column("y", sa.Float(precision=53), nullable=False),
        sa.Column("ra_deg", sa.Float(precision=53), nullable=True),
        sa.Column("dec_deg", sa.Float(precision=53), nullable=True),
        sa.Column("healpix", sa.BigInteger(), nullable=True),
        sa.Column("score_sigma", sa.Float(precision=53), nullable=False),
        sa.Column("sign", sa.Integer(), nullable=False),
        sa.Column("flux_e", sa.Float(precision=53), nullable=False),
        sa.Column("flux_err_e", sa.Float(precision=53), nullable=False),
        sa.Column("mag", sa.Float(precision=53), nullable=True),
        sa.Column("mag_err", sa.Float(precision=53), nullable=True),
        sa.Column("fwhm_px", sa.Float(precision=53), nullable=True),
        sa.Column("elongation", sa.Float(precision=53), nullable=True),
        sa.Column("mask_bits", sa.Integer(), nullable=False),
        sa.Column("reasons", sa.Integer(), nullable=False),
        sa.Column("is_kept", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["difference_id"],
            ["difference_runs.id"],
            name=op.f("fk_candidates_difference_id_difference_runs"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_candidates")),
        sa.UniqueConstraint(
            "difference_id",
            "sign",
            "peak_x",
            "peak_y",
            name=op.f("uq_candidates_difference_id"),
        ),
    )
    with op.batch_alter_table("candidates", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_candidates_difference_id"), ["difference_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_candidates_healpix"), ["healpix"], unique=False)

    op.create_table(
        "detections",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("candidate_id", sa.String(length=36), nullable=False),
        sa.Column("observation_id", sa.String(length=36), nullable=False),
        sa.Column("object_id", sa.String(length=36), nullable=True),
        sa.Column("survey", sa.String(length=40), nullable=False),
        sa.Column("night", sa.String(length=10), nullable=False),
        sa.Column("cutout_key", sa.Text(), nullable=False),
        sa.Column("cutout_index", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(precision=53), nullable=False),
        sa.Column("score_kind", sa.String(length=20), nullable=False),
        sa.Column("model_id", sa.String(length=36), nullable=True),
        sa.Column("detected_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["candidate_id"],
            ["candidates.id"],
            name=op.f("fk_detections_candidate_id_candidates"),
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_detections_model_id_models")
        ),
        sa.ForeignKeyConstraint(
            ["object_id"], ["objects.id"], name=op.f("fk_detections_object_id_objects")
        ),
        sa.ForeignKeyConstraint(
            ["observation_id"],
            ["observations.id"],
            name=op.f("fk_detections_observation_id_observations"),
        ),
        sa.ForeignKeyConstraint(
            ["survey"], ["surveys.name"], name=op.f("fk_detections_survey_surveys")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_detections")),
        sa.UniqueConstraint("candidate_id", name=op.f("uq_detections_candidate_id")),
    )
    with op.batch_alter_table("detections", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_detections_object_id"), ["object_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_detections_observation_id"), ["observation_id"], unique=False
        )
        batch_op.create_index("ix_detections_survey_night", ["survey", "night"], unique=False)

    op.create_table(
        "detection_scores",
        sa.Column("detection_id", sa.String(length=36), nullable=False),
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("score", sa.Float(precision=53), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["detection_id"],
            ["detections.id"],
            name=op.f("fk_detection_scores_detection_id_detections"),
        ),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["models.id"],
            name=op.f("fk_detection_scores_model_id_models"),
        ),
        sa.PrimaryKeyConstraint("detection_id", "model_id", name=op.f("pk_detection_scores")),
    )
    op.create_table(
        "labels",
        sa.Column("detection_id", sa.String(length=36), nullable=False),
        sa.Column("label", sa.String(length=20), nullable=False),
        sa.Column("classification", sa.String(length=40), nullable=True),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("n_votes", sa.Integer(), nullable=False),
        sa.Column("agreement", sa.Float(precision=53), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["detection_id"],
            ["detections.id"],
            name=op.f("fk_labels_detection_id_detections"),
        ),
        sa.PrimaryKeyConstraint("detection_id", name=op.f("pk_labels")),
    )
    op.create_table(
        "training_samples",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("observation_id", sa.String(length=36), nullable=False),
        sa.Column("detection_id", sa.String(length=36), nullable=False),
        sa.Column("image_path", sa.String(length=500), nullable=False),
        sa.Column("mask_path", sa.String(length=500), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("split", sa.String(length=10), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["training_datasets.id"],
            name=op.f("fk_training_samples_dataset_id_training_datasets"),
        ),
        sa.ForeignKeyConstraint(
            ["detection_id"],
            ["detections.id"],
            name=op.f("fk_training_samples_detection_id_detections"),
        ),
        sa.ForeignKeyConstraint(
            ["observation_id"],
            ["observations.id"],
            name=op.f("fk_training_samples_observation_id_observations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_samples")),
        sa.UniqueConstraint(
            "dataset_id", "detection_id", name=op.f("uq_training_samples_dataset_id")
        ),
    )
    with op.batch_alter_table("training_samples", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_training_samples_dataset_id"), ["dataset_id"], unique=False
        )

    op.create_table(
        "validation_events",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("event_key", sa.String(length=120), nullable=False),
        sa.Column("detection_id", sa.String(length=36), nullable=False),
        sa.Column("reviewer", sa.String(length=80), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("label", sa.String(length=20), nullable=False),
        sa.Column("classification", sa.String(length=40), nullable=True),
        sa.Column("confidence", sa.Float(precision=53), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("model_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["detection_id"],
            ["detections.id"],
            name=op.f("fk_validation_events_detection_id_detections"),
        ),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["models.id"],
            name=op.f("fk_validation_events_model_id_models"),
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_validation_events")),
        sa.UniqueConstraint("event_key", name=op.f("uq_validation_events_event_key")),
    )
    with op.batch_alter_table("validation_events", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_validation_events_detection_id"),
            ["detection_id"],
            unique=False,
        )
    if op.get_bind().dialect.supports_alter:
        # models and training_runs point at each other; SQLite has it from the start.
        op.create_foreign_key(
            op.f("fk_models_training_run_id_training_runs"),
            "models",
            "training_runs",
            ["training_run_id"],
            ["id"],
        )


def downgrade() -> None:
    if op.get_bind().dialect.supports_alter:
        op.drop_constraint(op.f("fk_models_training_run_id_training_runs"), "models")
    with op.batch_alter_table("validation_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_validation_events_detection_id"))

    op.drop_table("validation_events")
    with op.batch_alter_table("training_samples", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_training_samples_dataset_id"))

    op.drop_table("training_samples")
    op.drop_table("labels")
    op.drop_table("detection_scores")
    with op.batch_alter_table("detections", schema=None) as batch_op:
        batch_op.drop_index("ix_detections_survey_night")
        batch_op.drop_index(batch_op.f("ix_detections_observation_id"))
        batch_op.drop_index(batch_op.f("ix_detections_object_id"))

    op.drop_table("detections")
    with op.batch_alter_table("candidates", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_candidates_healpix"))
        batch_op.drop_index(batch_op.f("ix_candidates_difference_id"))

    op.drop_table("candidates")
    op.drop_table("reference_members")
    op.drop_table("preprocess_runs")
    op.drop_table("night_references")
    op.drop_table("field_anchors")
    with op.batch_alter_table("difference_runs", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_difference_runs_observation_id"))

    op.drop_table("difference_runs")
    op.drop_table("training_runs")
    op.drop_table("source_files")
    with op.batch_alter_table("reference_frames", schema=None) as batch_op:
        batch_op.drop_index("ix_reference_frames_field")

    op.drop_table("reference_frames")
    with op.batch_alter_table("observations", schema=None) as batch_op:
        batch_op.drop_index("ix_observations_survey_night")

    op.drop_table("observations")
    with op.batch_alter_table("objects", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_objects_healpix"))

    op.drop_table("objects")
    op.drop_table("deployments")
    op.drop_table("calibration_masters")
    op.drop_table("training_datasets")
    op.drop_table("surveys")
    op.drop_table("night_summaries")
    op.drop_table("models")
    op.drop_table("gate_verdicts")
