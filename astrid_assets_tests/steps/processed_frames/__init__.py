"""Tests of `steps/processed_frames`."""
