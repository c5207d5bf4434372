"""Alembic's entry: runs on the connection it is handed, in its transaction."""

from alembic import context

from astrid_assets.storage.database.tables import (  # noqa: F401  the metadata needs every table
    detections,
    frames,
    learning,
    masters,
    nights,
    review,
)
from astrid_assets.storage.database.tables.base import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    render_item=context.config.attributes.get("render_item"),
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
