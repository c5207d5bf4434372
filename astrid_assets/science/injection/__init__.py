"""TODO-DOC astrid_assets/science/injection."""
