"""Sides of the split, remembered once they were given."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "split_rules",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("val_fraction", sa.Float(precision=53), nullable=False),
        sa.Column("test_fraction", sa.Float(precision=53), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_split_rules")),
    )
    op.create_table(
        "split_sides",
        sa.Column("key", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("sky", sa.String(length=120), nullable=False),
        sa.Column("cell", sa.BigInteger(), nullable=True),
        sa.Column("ra_deg", sa.Float(precision=53), nullable=True),
        sa.Column("dec_deg", sa.Float(precision=53), nullable=True),
        sa.Column("group_name", sa.String(length=36), nullable=False),
        sa.Column("side", sa.String(length=10), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_split_sides")),
    )
    with op.batch_alter_table("split_sides", schema=None) as batch_op:
        batch_op.create_index("ix_split_sides_sky", ["sky", "cell"], unique=False)
        batch_op.create_index(batch_op.f("ix_split_sides_group_name"), ["group_name"], unique=False)


def downgrade() -> None:
    op.drop_table("split_sides")
    op.drop_table("split_rules")
