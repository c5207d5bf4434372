"""Tests of `science/sky`."""
