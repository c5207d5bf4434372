"""Answers that are carried over to the detection that is current now."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "former_detections",
        sa.Column("detection_id", sa.String(length=36), nullable=False),
        sa.Column("current_id", sa.String(length=36), nullable=False),
        sa.Column("distance_fwhm", sa.Float(precision=53), nullable=False),
        sa.Column("snr_ratio", sa.Float(precision=53), nullable=False),
        sa.Column("doubt", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(
            ["detection_id"],
            ["detections.id"],
            name=op.f("fk_former_detections_detection_id_detections"),
        ),
        sa.ForeignKeyConstraint(
            ["current_id"],
            ["detections.id"],
            name=op.f("fk_former_detections_current_id_detections"),
        ),
        sa.PrimaryKeyConstraint("detection_id", name=op.f("pk_former_detections")),
    )
    with op.batch_alter_table("former_detections", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_former_detections_current_id"), ["current_id"], unique=False
        )
    for table in ("votes", "labels"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column("carried_from", sa.String(length=36), nullable=True))
    with op.batch_alter_table("review_items", schema=None) as batch_op:
        batch_op.add_column(sa.Column("doubt", sa.String(length=20), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("review_items", schema=None) as batch_op:
        batch_op.drop_column("doubt")
    for table in ("labels", "votes"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("carried_from")
    with op.batch_alter_table("former_detections", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_former_detections_current_id"))
    op.drop_table("former_detections")
