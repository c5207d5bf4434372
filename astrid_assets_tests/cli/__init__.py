"""Tests of `astrid_assets.cli`."""
