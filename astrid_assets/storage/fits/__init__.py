"""TODO-DOC astrid_assets/storage/fits."""
