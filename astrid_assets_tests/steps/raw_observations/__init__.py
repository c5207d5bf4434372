"""Ingesting frames."""
