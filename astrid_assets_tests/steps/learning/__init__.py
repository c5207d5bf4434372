"""Tests of `steps/learning`."""
