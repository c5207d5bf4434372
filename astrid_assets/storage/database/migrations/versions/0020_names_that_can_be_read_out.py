"""Names of objects and detections that can be read out; those that exist get theirs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import op

from astrid_assets.storage.database.names import detection_name, object_name

if TYPE_CHECKING:
    from sqlalchemy import Connection

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

IN_ORDER = """
SELECT d.id, d.object_id, d.night FROM detections AS d JOIN objects AS o ON o.id = d.object_id
ORDER BY o.created_at, o.id, d.detected_at, d.id
"""
BATCH = 5000


def upgrade() -> None:
    # Other tables name these rows, so SQLite must not copy and drop a table: columns and
    # indexes are added, nothing is altered.
    op.create_table(
        "name_counters",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("given", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("year", name=op.f("pk_name_counters")),
    )
    with op.batch_alter_table("objects", schema=None) as batch_op:
        batch_op.add_column(sa.Column("name", sa.String(length=24), nullable=True))
        batch_op.add_column(sa.Column("n_named", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("detections", schema=None) as batch_op:
        batch_op.add_column(sa.Column("name", sa.String(length=36), nullable=True))
    _name_all(op.get_bind())
    with op.batch_alter_table("objects", schema=None) as batch_op:
        batch_op.create_index("ix_objects_name", ["name"], unique=True)
    with op.batch_alter_table("detections", schema=None) as batch_op:
        batch_op.create_index("ix_detections_name", ["name"], unique=True)


def downgrade() -> None:
    with op.batch_alter_table("detections", schema=None) as batch_op:
        batch_op.drop_index("ix_detections_name")
        batch_op.drop_column("name")
    with op.batch_alter_table("objects", schema=None) as batch_op:
        batch_op.drop_index("ix_objects_name")
        batch_op.drop_column("n_named")
        batch_op.drop_column("name")
    op.drop_table("name_counters")


def _name_all(connection: Connection) -> None:
    """Name objects by their age, and detections by theirs within an object."""
    given: Counter[int] = Counter()
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    detections = []
    for detection_id, object_id, night in connection.execute(sa.text(IN_ORDER)).all():
        if object_id not in names:
            year = int(night[:4])
            names[object_id] = object_name(year, given[year])
            given[year] += 1
        counts[object_id] += 1
        name = detection_name(names[object_id], counts[object_id])
        detections.append({"row": detection_id, "name": name})
    objects = [{"row": id_, "name": name, "n": counts[id_]} for id_, name in names.items()]
    for statement, rows in (
        ("UPDATE objects SET name = :name, n_named = :n WHERE id = :row", objects),
        ("UPDATE detections SET name = :name WHERE id = :row", detections),
        (
            "INSERT INTO name_counters (year, given) VALUES (:year, :given)",
            [{"year": year, "given": count} for year, count in given.items()],
        ),
    ):
        for start in range(0, len(rows), BATCH):
            connection.execute(sa.text(statement), rows[start : start + BATCH])
