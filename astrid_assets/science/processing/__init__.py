"""TODO-DOC astrid_assets/science/processing."""
