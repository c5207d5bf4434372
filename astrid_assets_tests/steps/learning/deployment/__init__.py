"""Tests of what puts models in force."""
