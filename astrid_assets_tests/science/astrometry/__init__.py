"""Tests of `science/astrometry`."""
