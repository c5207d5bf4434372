"""science calibration."""
