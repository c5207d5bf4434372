"""Tests of `storage/review`."""
