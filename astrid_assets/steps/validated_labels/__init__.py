"""TODO-DOC astrid_assets/steps/validated_labels."""
