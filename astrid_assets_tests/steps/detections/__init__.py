"""Tests of the search of a night, and of its scores."""
