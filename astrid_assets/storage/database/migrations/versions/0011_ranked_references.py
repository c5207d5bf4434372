"""How references were chosen, and what each night's work came to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("preprocess_runs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("field_coverage", sa.Float(precision=53), nullable=True))
    with op.batch_alter_table("reference_frames", schema=None) as batch_op:
        batch_op.add_column(sa.Column("coverage", sa.Float(precision=53), nullable=True))
    with op.batch_alter_table("reference_members", schema=None) as batch_op:
        batch_op.add_column(sa.Column("rank", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("weight", sa.Float(precision=53), nullable=True))
    with op.batch_alter_table("night_summaries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("data_version", sa.String(length=64), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("night_summaries", schema=None) as batch_op:
        batch_op.drop_column("data_version")
    with op.batch_alter_table("reference_members", schema=None) as batch_op:
        batch_op.drop_column("weight")
        batch_op.drop_column("rank")
    with op.batch_alter_table("reference_frames", schema=None) as batch_op:
        batch_op.drop_column("coverage")
    with op.batch_alter_table("preprocess_runs", schema=None) as batch_op:
        batch_op.drop_column("field_coverage")
