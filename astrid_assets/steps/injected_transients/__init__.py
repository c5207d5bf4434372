"""Completeness and purity of a night, measured with artificial transients."""
