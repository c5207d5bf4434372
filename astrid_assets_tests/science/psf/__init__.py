"""Tests of `science/psf`."""
