"""TODO-DOC astrid_assets/science/sky."""
