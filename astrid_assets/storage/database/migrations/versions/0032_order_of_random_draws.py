"""Random draws in their order, for the health of the model in force."""

from __future__ import annotations

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_validation_events_drawn_as", "validation_events", ["drawn_as", "sequence"])


def downgrade() -> None:
    op.drop_index("ix_validation_events_drawn_as", "validation_events")
