"""TODO-DOC astrid_assets/storage/review."""
