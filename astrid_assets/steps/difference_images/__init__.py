"""TODO-DOC astrid_assets/steps/difference_images."""
