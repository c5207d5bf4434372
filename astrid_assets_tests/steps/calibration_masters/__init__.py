"""Tests of `steps/calibration_masters`."""
