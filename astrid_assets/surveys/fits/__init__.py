"""TODO-DOC astrid_assets/surveys/fits."""
