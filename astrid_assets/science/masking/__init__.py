"""TODO-DOC astrid_assets/science/masking."""
