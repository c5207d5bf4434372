"""Where the cutouts of injected transients are, which the gate of new models scores."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("injected_transients") as batch_op:
        batch_op.add_column(sa.Column("cutout_key", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("cutout_index", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("injected_transients") as batch_op:
        batch_op.drop_column("cutout_index")
        batch_op.drop_column("cutout_key")
