"""Tests of `storage/queries`."""
