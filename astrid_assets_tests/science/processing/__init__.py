"""Tests of `science/processing`."""
