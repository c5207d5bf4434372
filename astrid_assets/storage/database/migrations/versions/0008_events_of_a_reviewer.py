"""An index on what one reviewer said."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("validation_events", schema=None) as batch_op:
        batch_op.create_index(
            "ix_validation_events_reviewer", ["reviewer", "detection_id"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("validation_events", schema=None) as batch_op:
        batch_op.drop_index("ix_validation_events_reviewer")
