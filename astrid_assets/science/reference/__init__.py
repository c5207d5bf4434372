"""TODO-DOC astrid_assets/science/reference."""
