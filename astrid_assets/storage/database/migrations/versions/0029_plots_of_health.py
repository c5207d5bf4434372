"""Intervals of the nights' medians, and an index for the plots of a model's health."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

LIMITS = ("median_low", "median_high")


def upgrade() -> None:
    for name in LIMITS:
        op.add_column("night_drifts", sa.Column(name, sa.Float(precision=53), nullable=True))
    op.create_index(
        "ix_health_numbers_model_id",
        "health_numbers",
        ["model_id", "survey", "number", "sequence"],
    )


def downgrade() -> None:
    op.drop_index("ix_health_numbers_model_id", "health_numbers")
    for name in reversed(LIMITS):
        op.drop_column("night_drifts", name)
