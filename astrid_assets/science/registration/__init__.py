"""TODO-DOC astrid_assets/science/registration."""
