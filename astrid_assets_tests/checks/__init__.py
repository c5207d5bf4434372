"""Tests of `astrid_assets.checks`."""
