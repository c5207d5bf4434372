"""TODO-DOC astrid_assets/surveys/check."""
