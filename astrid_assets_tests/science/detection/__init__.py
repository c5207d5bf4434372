"""Tests of the detection, each against a known truth."""
