"""Tests of `science/masking`."""
