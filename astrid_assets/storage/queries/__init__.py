"""TODO-DOC astrid_assets/storage/queries."""
