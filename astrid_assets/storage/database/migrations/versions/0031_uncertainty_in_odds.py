"""The queue's measure of uncertainty, in odds: what decides nothing comes first."""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

IN_ODDS = """
CASE WHEN d.score * (1 - m.threshold) = m.threshold * (1 - d.score) THEN 0
     WHEN d.score * (1 - m.threshold) < m.threshold * (1 - d.score)
     THEN 1 - d.score * (1 - m.threshold) / (m.threshold * (1 - d.score))
     ELSE 1 - m.threshold * (1 - d.score) / (d.score * (1 - m.threshold)) END
"""
DISTANCE = "abs(d.score - m.threshold)"


def upgrade() -> None:
    _measure_by(IN_ODDS)


def downgrade() -> None:
    _measure_by(DISTANCE)


def _measure_by(number: str) -> None:
    # 0 stays: what was put first for another reason.
    op.execute(
        f"UPDATE review_items SET uncertainty = (SELECT {number} FROM detections d "  # noqa: S608  constants of this file
        "JOIN models m ON m.id = d.model_id WHERE d.id = review_items.detection_id) "
        "WHERE uncertainty > 0 AND EXISTS (SELECT 1 FROM detections d JOIN models m "
        "ON m.id = d.model_id WHERE d.id = review_items.detection_id AND d.score_kind = 'model')"
    )
