"""TODO-DOC astrid_assets/surveys/sources."""
