"""Tests of `science/photometry`."""
