"""Tests of `science/injection`."""
