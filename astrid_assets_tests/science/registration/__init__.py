"""Tests of `science/registration`."""
