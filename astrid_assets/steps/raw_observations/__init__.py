"""TODO-DOC astrid_assets/steps/raw_observations."""
