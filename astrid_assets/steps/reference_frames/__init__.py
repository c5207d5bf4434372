"""TODO-DOC astrid_assets/steps/reference_frames."""
