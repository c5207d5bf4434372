"""TODO-DOC astrid_assets/steps/light_curves."""
