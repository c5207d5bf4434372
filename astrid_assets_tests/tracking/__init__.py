"""Tests of `tracking`."""
