"""TODO-DOC astrid_assets/science/astrometry."""
