"""Tests of `storage/fits`."""
