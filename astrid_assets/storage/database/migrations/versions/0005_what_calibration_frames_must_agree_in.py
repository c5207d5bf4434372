"""What calibration frames must agree in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "frame_masters",
        sa.Column("observation_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("master_id", sa.String(length=36), nullable=False),
        sa.Column("settings_hash", sa.String(length=64), nullable=False),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["master_id"],
            ["calibration_masters.id"],
            name=op.f("fk_frame_masters_master_id_calibration_masters"),
        ),
        sa.ForeignKeyConstraint(
            ["observation_id"],
            ["observations.id"],
            name=op.f("fk_frame_masters_observation_id_observations"),
        ),
        sa.PrimaryKeyConstraint("observation_id", "kind", name=op.f("pk_frame_masters")),
    )
    with op.batch_alter_table("calibration_masters", schema=None) as batch_op:
        batch_op.add_column(sa.Column("made_with", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("instrument", sa.String(length=80), nullable=True))
        batch_op.add_column(sa.Column("readout_mode", sa.String(length=80), nullable=True))
        batch_op.add_column(sa.Column("binning", sa.String(length=20), nullable=True))
        batch_op.add_column(sa.Column("ccd_temperature_c", sa.Float(precision=53), nullable=True))
        batch_op.add_column(sa.Column("width", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("height", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("level", sa.Float(precision=53), nullable=True))
        batch_op.add_column(sa.Column("noise", sa.Float(precision=53), nullable=True))
        batch_op.add_column(sa.Column("clipped_fraction", sa.Float(precision=53), nullable=True))

    with op.batch_alter_table("observations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("instrument", sa.String(length=80), nullable=True))
        batch_op.add_column(sa.Column("readout_mode", sa.String(length=80), nullable=True))
        batch_op.add_column(sa.Column("binning", sa.String(length=20), nullable=True))
        batch_op.add_column(sa.Column("ccd_temperature_c", sa.Float(precision=53), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("observations", schema=None) as batch_op:
        batch_op.drop_column("ccd_temperature_c")
        batch_op.drop_column("binning")
        batch_op.drop_column("readout_mode")
        batch_op.drop_column("instrument")

    with op.batch_alter_table("calibration_masters", schema=None) as batch_op:
        batch_op.drop_column("clipped_fraction")
        batch_op.drop_column("noise")
        batch_op.drop_column("level")
        batch_op.drop_column("height")
        batch_op.drop_column("width")
        batch_op.drop_column("ccd_temperature_c")
        batch_op.drop_column("binning")
        batch_op.drop_column("readout_mode")
        batch_op.drop_column("instrument")
        batch_op.drop_column("made_with")

    op.drop_table("frame_masters")
