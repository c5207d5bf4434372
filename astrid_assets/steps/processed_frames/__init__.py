"""TODO-DOC astrid_assets/steps/processed_frames."""
