"""TODO-DOC astrid_assets/science/photometry."""
