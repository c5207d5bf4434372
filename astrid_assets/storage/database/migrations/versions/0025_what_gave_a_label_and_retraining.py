"""The event that gave a label; outcomes of collections and decisions about retraining."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    sequence = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column(
        "labels",
        sa.Column("given_sequence", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    )
    op.execute("UPDATE labels SET given_sequence = last_sequence")
    op.create_index("ix_labels_label_given", "labels", ["label", "given_sequence"])
    op.create_table(
        "collection_outcomes",
        sa.Column("sequence", sequence, autoincrement=True, nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=True),
        sa.Column("lacking", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["training_datasets.id"],
            name="fk_collection_outcomes_dataset_id_training_datasets",
        ),
        sa.PrimaryKeyConstraint("sequence", name="pk_collection_outcomes"),
    )
    op.create_table(
        "retraining_decisions",
        sa.Column("sequence", sequence, autoincrement=True, nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("n_ticks", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_retraining_decisions"),
    )


def downgrade() -> None:
    op.drop_table("retraining_decisions")
    op.drop_table("collection_outcomes")
    op.drop_index("ix_labels_label_given", "labels")
    op.drop_column("labels", "given_sequence")
