"""TODO-DOC astrid_assets/science/arrays."""
