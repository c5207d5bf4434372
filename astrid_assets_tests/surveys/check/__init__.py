"""Tests of `surveys/check`."""
