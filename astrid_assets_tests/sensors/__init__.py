"""Tests of `astrid_assets.sensors`."""
