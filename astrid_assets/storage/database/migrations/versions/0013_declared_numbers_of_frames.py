"""Declared numbers of a frame that had no column: what limits judge is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

NUMBERS = (
    "sky_fraction",
    "sky_gradient",
    "line_noise",
    "wave",
    "ripple",
    "fwhm_ratio",
    "sky_rms_ratio",
)


def upgrade() -> None:
    with op.batch_alter_table("preprocess_runs", schema=None) as batch_op:
        for name in NUMBERS:
            batch_op.add_column(sa.Column(name, sa.Float(precision=53), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("preprocess_runs", schema=None) as batch_op:
        for name in reversed(NUMBERS):
            batch_op.drop_column(name)
