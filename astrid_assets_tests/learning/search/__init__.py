"""Tests of the search for training settings."""
