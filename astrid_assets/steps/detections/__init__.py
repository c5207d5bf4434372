"""Candidates of a night: found, measured, scored and joined into objects."""
