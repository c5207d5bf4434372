"""TODO-DOC astrid_assets/steps/learning."""
