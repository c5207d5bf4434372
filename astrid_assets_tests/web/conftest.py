"""Fixtures of the other folders that these tests use."""

from astrid_assets_tests.instances import own_home

__all__ = ["own_home"]
