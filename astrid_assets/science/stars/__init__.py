"""TODO-DOC astrid_assets/science/stars."""
