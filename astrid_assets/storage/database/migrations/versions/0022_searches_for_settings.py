"""Searches for training settings, and their trials."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "searches",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("training_params", sa.JSON(), nullable=False),
        sa.Column("search_params", sa.JSON(), nullable=False),
        sa.Column("best_settings", sa.JSON(), nullable=True),
        sa.Column("importance", sa.JSON(), nullable=True),
        sa.Column("mlflow_run_id", sa.String(length=255), nullable=True),
        sa.Column("status", sa.String(length=50), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["training_datasets.id"],
            name=op.f("fk_searches_dataset_id_training_datasets"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_searches")),
    )
    op.create_table(
        "search_trials",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("search_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.Column("history", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=50), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("mlflow_run_id", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(
            ["search_id"], ["searches.id"], name=op.f("fk_search_trials_search_id_searches")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_trials")),
    )
    with op.batch_alter_table("search_trials", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_search_trials_search_id"), ["search_id"], unique=False)


def downgrade() -> None:
    op.drop_table("search_trials")
    op.drop_table("searches")
