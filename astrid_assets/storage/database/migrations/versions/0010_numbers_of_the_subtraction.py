"""Every gate's number of a subtraction, and how the other method compares."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

NUMBERS = ("astrometric_noise_px", "residual_power", "psf_error", "noise_factor")


def upgrade() -> None:
    with op.batch_alter_table("difference_runs", schema=None) as batch_op:
        for name in NUMBERS:
            batch_op.add_column(sa.Column(name, sa.Float(precision=53), nullable=True))
        batch_op.add_column(sa.Column("cross_check", sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("difference_runs", schema=None) as batch_op:
        batch_op.drop_column("cross_check")
        for name in reversed(NUMBERS):
            batch_op.drop_column(name)
