"""Tests of `science/reference`."""
