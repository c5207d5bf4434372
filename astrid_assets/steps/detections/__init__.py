"""TODO-DOC astrid_assets/steps/detections."""
