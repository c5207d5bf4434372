"""Tests of `science/arrays`."""
