"""TODO-DOC astrid_assets/tracking."""
