"""Tests of `science/stars`."""
