"""Tests of AstrID; the tree mirrors `astrid_assets`."""
