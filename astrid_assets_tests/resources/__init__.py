"""Tests of `astrid_assets.resources`."""
