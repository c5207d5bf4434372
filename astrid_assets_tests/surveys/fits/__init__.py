"""Tests of `surveys/fits`."""
