"""Tests of `storage/objects`."""
