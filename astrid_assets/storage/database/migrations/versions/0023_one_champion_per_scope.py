"""Champions of single surveys, and one row after the other in each scope."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

IN_ORDER = """
UPDATE deployments SET follows = COALESCE((
    SELECT MAX(earlier.sequence) FROM deployments AS earlier
    WHERE earlier.sequence < deployments.sequence
    AND earlier.action IN ('deploy', 'rollback')
), 0)
WHERE action IN ('deploy', 'rollback')
"""
COLUMNS = ("canary", "follows", "scope")


def upgrade() -> None:
    op.add_column(
        "deployments",
        sa.Column("scope", sa.String(length=40), nullable=False, server_default=sa.text("''")),
    )
    follows = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("deployments", sa.Column("follows", follows, nullable=True))
    op.add_column("deployments", sa.Column("canary", sa.JSON(), nullable=True))
    op.execute(IN_ORDER)
    op.create_index(
        "ix_deployments_scope_follows", "deployments", ["scope", "follows"], unique=True
    )


def downgrade() -> None:
    op.drop_index("ix_deployments_scope_follows", "deployments")
    for column in COLUMNS:
        op.drop_column("deployments", column)
