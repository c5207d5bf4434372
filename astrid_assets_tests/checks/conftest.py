"""A catalogue with a survey, and an instance that knows it."""

from astrid_assets_tests.catalogues import catalogue
from astrid_assets_tests.instances import empty_history, instance, own_home

__all__ = ["catalogue", "empty_history", "instance", "own_home"]  # fixtures are found by name
