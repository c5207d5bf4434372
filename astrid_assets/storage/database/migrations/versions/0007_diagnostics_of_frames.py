"""What a processed frame reports about itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("preprocess_runs", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("astrometric_rms_x_px", sa.Float(precision=53), nullable=True)
        )
        batch_op.add_column(
            sa.Column("astrometric_rms_y_px", sa.Float(precision=53), nullable=True)
        )
        batch_op.add_column(
            sa.Column("astrometric_rms_x_mas", sa.Float(precision=53), nullable=True)
        )
        batch_op.add_column(
            sa.Column("astrometric_rms_y_mas", sa.Float(precision=53), nullable=True)
        )
        batch_op.add_column(sa.Column("wcs_kind", sa.String(length=20), nullable=True))
        batch_op.add_column(
            sa.Column("zero_point_error_mag", sa.Float(precision=53), nullable=True)
        )
        batch_op.add_column(sa.Column("psf_residual", sa.Float(precision=53), nullable=True))
        batch_op.add_column(sa.Column("noise_ratio", sa.Float(precision=53), nullable=True))
        batch_op.add_column(sa.Column("diagnostics", sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("preprocess_runs", schema=None) as batch_op:
        batch_op.drop_column("diagnostics")
        batch_op.drop_column("noise_ratio")
        batch_op.drop_column("psf_residual")
        batch_op.drop_column("zero_point_error_mag")
        batch_op.drop_column("wcs_kind")
        batch_op.drop_column("astrometric_rms_y_mas")
        batch_op.drop_column("astrometric_rms_x_mas")
        batch_op.drop_column("astrometric_rms_y_px")
        batch_op.drop_column("astrometric_rms_x_px")
