"""Aperture fluxes of candidates."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("candidates", schema=None) as batch_op:
        batch_op.add_column(sa.Column("aperture_flux_e", sa.Float(precision=53), nullable=True))
        batch_op.add_column(sa.Column("aperture_flux_err_e", sa.Float(precision=53), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("candidates", schema=None) as batch_op:
        batch_op.drop_column("aperture_flux_err_e")
        batch_op.drop_column("aperture_flux_e")
