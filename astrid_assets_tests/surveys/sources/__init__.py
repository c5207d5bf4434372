"""Tests of `surveys/sources`."""
