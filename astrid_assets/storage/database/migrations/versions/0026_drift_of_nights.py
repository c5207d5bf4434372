"""The drift of nights: scores and inputs of a model against its first nights."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "night_drifts",
        sa.Column("survey", sa.String(length=40), nullable=False),
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("night", sa.String(length=10), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("median", sa.Float(precision=53), nullable=True),
        sa.Column("n_reference", sa.Integer(), nullable=False),
        sa.Column("effect", sa.Float(precision=53), nullable=True),
        sa.Column("usual", sa.Float(precision=53), nullable=True),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_night_drifts_model_id_models")
        ),
        sa.PrimaryKeyConstraint(
            "survey", "model_id", "number", "night", name=op.f("pk_night_drifts")
        ),
    )


def downgrade() -> None:
    op.drop_table("night_drifts")
