"""Answers that were given after the model's score was shown."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

AFTER_AN_UNDO = """
UPDATE validation_events SET score_seen = :yes
WHERE source = 'person' AND label <> 'undo' AND EXISTS (
    SELECT 1 FROM validation_events AS undone
    WHERE undone.detection_id = validation_events.detection_id
    AND undone.reviewer = validation_events.reviewer
    AND undone.source = 'person'
    AND undone.label = 'undo'
    AND undone.sequence < validation_events.sequence
)
"""
STANDING = """
UPDATE votes SET score_seen = :yes
WHERE sequence IN (SELECT sequence FROM validation_events WHERE score_seen = :yes)
"""


def upgrade() -> None:
    for table in ("validation_events", "votes"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(
                sa.Column("score_seen", sa.Boolean(), nullable=False, server_default="0")
            )
    for statement in (AFTER_AN_UNDO, STANDING):
        op.get_bind().execute(sa.text(statement), {"yes": True})


def downgrade() -> None:
    for table in ("votes", "validation_events"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("score_seen")
