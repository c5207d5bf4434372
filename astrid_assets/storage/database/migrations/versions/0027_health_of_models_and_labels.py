"""The health of models, labels and datasets, as measured."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "health_numbers",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("survey", sa.String(length=40), nullable=False),
        sa.Column("model_id", sa.String(length=36), nullable=True),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float(precision=53), nullable=True),
        sa.Column("low", sa.Float(precision=53), nullable=True),
        sa.Column("high", sa.Float(precision=53), nullable=True),
        sa.Column("limit", sa.Float(precision=53), nullable=True),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name=op.f("fk_health_numbers_model_id_models")
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_health_numbers")),
    )
    op.create_index("ix_health_numbers_measured_at", "health_numbers", ["measured_at"])


def downgrade() -> None:
    op.drop_index("ix_health_numbers_measured_at", "health_numbers")
    op.drop_table("health_numbers")
