"""Datasets in shards, and the state of each version with its reason.

A version with one array of images and one of masks becomes a version with one shard.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

DATASETS = sa.table(
    "training_datasets",
    sa.column("id", sa.String),
    sa.column("images_key", sa.Text),
    sa.column("masks_key", sa.Text),
    sa.column("shards", sa.JSON),
    sa.column("total_samples", sa.Integer),
    sa.column("status_at", sa.DateTime(timezone=True)),
    sa.column("created_at", sa.DateTime(timezone=True)),
)
COLUMNS = DATASETS.columns


def upgrade() -> None:
    # Samples name the table, so SQLite must not copy and drop it: columns are added and
    # dropped in place, and what is added there may be empty.
    for column in (
        sa.Column("shards", sa.JSON(), nullable=True),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("status_by", sa.String(length=255), nullable=True),
        sa.Column("status_at", sa.DateTime(timezone=True), nullable=True),
    ):
        op.add_column("training_datasets", column)
    connection = op.get_bind()
    one_array = sa.select(COLUMNS.id, COLUMNS.images_key, COLUMNS.masks_key, COLUMNS.total_samples)
    for dataset, images, masks, n_rows in connection.execute(one_array).all():
        connection.execute(
            sa.update(DATASETS)
            .where(COLUMNS.id == dataset)
            .values(
                shards=[{"images": images, "masks": masks, "rows": n_rows}],
                status_at=COLUMNS.created_at,
            )
        )
    op.drop_column("training_datasets", "images_key")
    op.drop_column("training_datasets", "masks_key")


def downgrade() -> None:
    connection = op.get_bind()
    for name in ("images_key", "masks_key"):
        op.add_column("training_datasets", sa.Column(name, sa.Text(), nullable=True))
    for dataset, shards in connection.execute(sa.select(COLUMNS.id, COLUMNS.shards)).all():
        if len(shards) != 1:
            raise RuntimeError(
                f"dataset {dataset} has {len(shards)} shards, which the earlier tables cannot "
                "name: delete its samples and its row before going back"
            )
        connection.execute(
            sa.update(DATASETS)
            .where(COLUMNS.id == dataset)
            .values(images_key=shards[0]["images"], masks_key=shards[0]["masks"])
        )
    for name in ("status_at", "status_by", "status_reason", "shards"):
        op.drop_column("training_datasets", name)
