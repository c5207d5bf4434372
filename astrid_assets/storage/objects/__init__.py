"""TODO-DOC astrid_assets/storage/objects."""
