"""The Alembic history of the catalogue's tables; `schema` runs it."""
