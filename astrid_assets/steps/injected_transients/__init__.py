"""TODO-DOC astrid_assets/steps/injected_transients."""
