"""Tests of the subtraction, each against a known truth."""
