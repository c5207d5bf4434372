"""Scores that were given to reviewers before they answered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shown_scores",
        sa.Column("detection_id", sa.String(length=36), nullable=False),
        sa.Column("reviewer", sa.String(length=80), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["detection_id"],
            ["detections.id"],
            name=op.f("fk_shown_scores_detection_id_detections"),
        ),
        sa.PrimaryKeyConstraint("detection_id", "reviewer", name=op.f("pk_shown_scores")),
    )


def downgrade() -> None:
    op.drop_table("shown_scores")
