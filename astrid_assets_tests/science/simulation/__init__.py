"""Tests of science.simulation."""
