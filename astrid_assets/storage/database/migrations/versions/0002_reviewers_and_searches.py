"""Reviewers, typed label sources, the cutout that was shown, searches."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SOURCE_IS_KNOWN = "source IN ('person', 'truth', 'catalogue', 'import')"


def upgrade() -> None:
    op.create_table(
        "reviewers",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_reviewers")),
    )
    op.create_table(
        "reviewer_sessions",
        sa.Column("session_hash", sa.String(length=64), nullable=False),
        sa.Column("reviewer", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["reviewer"],
            ["reviewers.name"],
            name=op.f("fk_reviewer_sessions_reviewer_reviewers"),
        ),
        sa.PrimaryKeyConstraint("session_hash", name=op.f("pk_reviewer_sessions")),
    )
    with op.batch_alter_table("reviewer_sessions", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_reviewer_sessions_reviewer"), ["reviewer"], unique=False
        )

    op.create_table(
        "reviewer_tokens",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("reviewer", sa.String(length=80), nullable=False),
        sa.Column("purpose", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["reviewer"],
            ["reviewers.name"],
            name=op.f("fk_reviewer_tokens_reviewer_reviewers"),
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_reviewer_tokens")),
    )
    with op.batch_alter_table("reviewer_tokens", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reviewer_tokens_reviewer"), ["reviewer"], unique=False)

    with op.batch_alter_table("detections", schema=None) as batch_op:
        batch_op.create_index("ix_detections_score", ["score", "id"], unique=False)

    with op.batch_alter_table("labels", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_labels_label"), ["label"], unique=False)
        batch_op.create_check_constraint("ck_labels_source", SOURCE_IS_KNOWN)

    with op.batch_alter_table("observations", schema=None) as batch_op:
        batch_op.create_index("ix_observations_time", ["observed_mjd", "id"], unique=False)

    with op.batch_alter_table("validation_events", schema=None) as batch_op:
        batch_op.add_column(sa.Column("cutout_key", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("cutout_index", sa.Integer(), nullable=True))
        batch_op.create_check_constraint("ck_validation_events_source", SOURCE_IS_KNOWN)


def downgrade() -> None:
    with op.batch_alter_table("validation_events", schema=None) as batch_op:
        batch_op.drop_constraint("ck_validation_events_source", type_="check")
        batch_op.drop_column("cutout_index")
        batch_op.drop_column("cutout_key")

    with op.batch_alter_table("observations", schema=None) as batch_op:
        batch_op.drop_index("ix_observations_time")

    with op.batch_alter_table("labels", schema=None) as batch_op:
        batch_op.drop_constraint("ck_labels_source", type_="check")
        batch_op.drop_index(batch_op.f("ix_labels_label"))

    with op.batch_alter_table("detections", schema=None) as batch_op:
        batch_op.drop_index("ix_detections_score")

    with op.batch_alter_table("reviewer_tokens", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_reviewer_tokens_reviewer"))

    op.drop_table("reviewer_tokens")
    with op.batch_alter_table("reviewer_sessions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_reviewer_sessions_reviewer"))

    op.drop_table("reviewer_sessions")
    op.drop_table("reviewers")
