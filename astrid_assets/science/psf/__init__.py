"""TODO-DOC astrid_assets/science/psf."""
