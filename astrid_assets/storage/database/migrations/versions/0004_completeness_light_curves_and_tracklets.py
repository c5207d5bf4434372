"""Completeness by injection, forced photometry and tracklets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tracklets",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("survey", sa.String(length=40), nullable=False),
        sa.Column("night", sa.String(length=10), nullable=False),
        sa.Column("members", sa.JSON(), nullable=False),
        sa.Column("rate_arcsec_h", sa.Float(precision=53), nullable=False),
        sa.Column("position_angle_deg", sa.Float(precision=53), nullable=False),
        sa.Column("rms_arcsec", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(
            ["survey"], ["surveys.name"], name=op.f("fk_tracklets_survey_surveys")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tracklets")),
    )
    with op.batch_alter_table("tracklets", schema=None) as batch_op:
        batch_op.create_index("ix_tracklets_survey_night", ["survey", "night"], unique=False)

    op.create_table(
        "forced_fluxes",
        sa.Column("object_id", sa.String(length=36), nullable=False),
        sa.Column("difference_id", sa.String(length=36), nullable=False),
        sa.Column("flux_e", sa.Float(precision=53), nullable=True),
        sa.Column("flux_err_e", sa.Float(precision=53), nullable=True),
        sa.Column("mask_bits", sa.Integer(), nullable=False),
        sa.Column("is_usable", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["difference_id"],
            ["difference_runs.id"],
            name=op.f("fk_forced_fluxes_difference_id_difference_runs"),
        ),
        sa.ForeignKeyConstraint(
            ["object_id"],
            ["objects.id"],
            name=op.f("fk_forced_fluxes_object_id_objects"),
        ),
        sa.PrimaryKeyConstraint("object_id", "difference_id", name=op.f("pk_forced_fluxes")),
    )
    with op.batch_alter_table("forced_fluxes", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_forced_fluxes_difference_id"),
            ["difference_id"],
            unique=False,
        )

    op.create_table(
        "injected_transients",
        sa.Column("difference_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("x", sa.Float(precision=53), nullable=False),
        sa.Column("y", sa.Float(precision=53), nullable=False),
        sa.Column("snr", sa.Float(precision=53), nullable=False),
        sa.Column("flux_e", sa.Float(precision=53), nullable=False),
        sa.Column("on_galaxy", sa.Boolean(), nullable=False),
        sa.Column("found", sa.Boolean(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("reasons", sa.Integer(), nullable=False),
        sa.Column("score_sigma", sa.Float(precision=53), nullable=True),
        sa.Column("measured_flux_e", sa.Float(precision=53), nullable=True),
        sa.Column("measured_flux_err_e", sa.Float(precision=53), nullable=True),
        sa.Column("dx_px", sa.Float(precision=53), nullable=True),
        sa.Column("dy_px", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(
            ["difference_id"],
            ["difference_runs.id"],
            name=op.f("fk_injected_transients_difference_id_difference_runs"),
        ),
        sa.PrimaryKeyConstraint("difference_id", "number", name=op.f("pk_injected_transients")),
    )


def downgrade() -> None:
    op.drop_table("injected_transients")
    with op.batch_alter_table("forced_fluxes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_forced_fluxes_difference_id"))

    op.drop_table("forced_fluxes")
    with op.batch_alter_table("tracklets", schema=None) as batch_op:
        batch_op.drop_index("ix_tracklets_survey_night")

    op.drop_table("tracklets")
