"""TODO-DOC astrid_assets/steps/calibration_masters."""
