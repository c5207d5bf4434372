"""Ingesting the frames of a night: from the survey's source into store and catalogue."""
