"""Surveys' own scores of alerts, and what a collection of a dataset left out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "survey_scores",
        sa.Column("detection_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("score", sa.Float(precision=53), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["detection_id"],
            ["detections.id"],
            name=op.f("fk_survey_scores_detection_id_detections"),
        ),
        sa.PrimaryKeyConstraint("detection_id", name=op.f("pk_survey_scores")),
    )
    op.add_column("training_datasets", sa.Column("collection_report", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("training_datasets", "collection_report")
    op.drop_table("survey_scores")
