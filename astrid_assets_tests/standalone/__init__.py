"""Tests of frames without a survey."""
