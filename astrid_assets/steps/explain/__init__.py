"""TODO-DOC astrid_assets/steps/explain."""
