"""Tests of `steps/reference_frames`."""
