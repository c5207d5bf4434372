"""What a model is kept with: weights, model card, version of its cutouts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("models", sa.Column("package", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("models", "package")
