"""Tests of what all benchmarks share, and of the figures that are kept."""
