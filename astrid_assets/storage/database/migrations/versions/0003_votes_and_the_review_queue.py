"""Votes that stand, the review queue and its leases, drawn masks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drawn_masks",
        sa.Column(
            "sequence",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("event_key", sa.String(length=120), nullable=False),
        sa.Column("detection_id", sa.String(length=36), nullable=False),
        sa.Column("reviewer", sa.String(length=80), nullable=False),
        sa.Column("bits", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["detection_id"],
            ["detections.id"],
            name=op.f("fk_drawn_masks_detection_id_detections"),
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_drawn_masks")),
        sa.UniqueConstraint("event_key", name=op.f("uq_drawn_masks_event_key")),
    )
    with op.batch_alter_table("drawn_masks", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_drawn_masks_detection_id"), ["detection_id"], unique=False
        )

    op.create_table(
        "review_items",
        sa.Column("detection_id", sa.String(length=36), nullable=False),
        sa.Column("survey", sa.String(length=40), nullable=False),
        sa.Column("night", sa.String(length=10), nullable=False),
        sa.Column("queue", sa.String(length=12), nullable=False),
        sa.Column("uncertainty", sa.Float(precision=53), nullable=True),
        sa.Column("is_sample", sa.Boolean(), nullable=False),
        sa.Column("votes_wanted", sa.Integer(), nullable=False),
        sa.Column("n_votes", sa.Integer(), nullable=False),
        sa.Column("gold_label", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(
            ["detection_id"],
            ["detections.id"],
            name=op.f("fk_review_items_detection_id_detections"),
        ),
        sa.PrimaryKeyConstraint("detection_id", name=op.f("pk_review_items")),
    )
    with op.batch_alter_table("review_items", schema=None) as batch_op:
        batch_op.create_index("ix_review_items_gold", ["gold_label", "detection_id"], unique=False)
        batch_op.create_index("ix_review_items_night", ["survey", "night"], unique=False)
        batch_op.create_index("ix_review_items_place", ["queue", "detection_id"], unique=False)
        batch_op.create_index(
            "ix_review_items_survey_place",
            ["queue", "survey", "detection_id"],
            unique=False,
        )
        batch_op.create_index(
            "ix_review_items_survey_uncertain",
            ["queue", "survey", "uncertainty", "detection_id"],
            unique=False,
        )
        batch_op.create_index(
            "ix_review_items_uncertain",
            ["queue", "uncertainty", "detection_id"],
            unique=False,
        )

    op.create_table(
        "review_leases",
        sa.Column("detection_id", sa.String(length=36), nullable=False),
        sa.Column("reviewer", sa.String(length=80), nullable=False),
        sa.Column("drawn_as", sa.String(length=20), nullable=False),
        sa.Column("expires_on", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["detection_id"],
            ["detections.id"],
            name=op.f("fk_review_leases_detection_id_detections"),
        ),
        sa.PrimaryKeyConstraint("detection_id", "reviewer", name=op.f("pk_review_leases")),
    )
    with op.batch_alter_table("review_leases", schema=None) as batch_op:
        batch_op.create_index("ix_review_leases_reviewer", ["reviewer", "expires_on"], unique=False)

    op.create_table(
        "votes",
        sa.Column("detection_id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("reviewer", sa.String(length=80), nullable=False),
        sa.Column("label", sa.String(length=20), nullable=False),
        sa.Column("classification", sa.String(length=40), nullable=True),
        sa.Column("drawn_as", sa.String(length=20), nullable=True),
        sa.Column("n_said", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["detection_id"],
            ["detections.id"],
            name=op.f("fk_votes_detection_id_detections"),
        ),
        sa.PrimaryKeyConstraint("detection_id", "source", "reviewer", name=op.f("pk_votes")),
    )
    with op.batch_alter_table("votes", schema=None) as batch_op:
        batch_op.create_index("ix_votes_reviewer", ["reviewer", "detection_id"], unique=False)

    with op.batch_alter_table("validation_events", schema=None) as batch_op:
        batch_op.add_column(sa.Column("drawn_as", sa.String(length=20), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("validation_events", schema=None) as batch_op:
        batch_op.drop_column("drawn_as")

    with op.batch_alter_table("votes", schema=None) as batch_op:
        batch_op.drop_index("ix_votes_reviewer")

    op.drop_table("votes")
    with op.batch_alter_table("review_leases", schema=None) as batch_op:
        batch_op.drop_index("ix_review_leases_reviewer")

    op.drop_table("review_leases")
    with op.batch_alter_table("review_items", schema=None) as batch_op:
        batch_op.drop_index("ix_review_items_uncertain")
        batch_op.drop_index("ix_review_items_survey_uncertain")
        batch_op.drop_index("ix_review_items_survey_place")
        batch_op.drop_index("ix_review_items_place")
        batch_op.drop_index("ix_review_items_night")
        batch_op.drop_index("ix_review_items_gold")

    op.drop_table("review_items")
    with op.batch_alter_table("drawn_masks", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_drawn_masks_detection_id"))

    op.drop_table("drawn_masks")
