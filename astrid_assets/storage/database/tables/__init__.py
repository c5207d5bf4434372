"""TODO-DOC astrid_assets/storage/database/tables."""
