"""Tests of `steps/explain`."""
