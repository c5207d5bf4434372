"""Tests of the numbers of an evaluation."""
