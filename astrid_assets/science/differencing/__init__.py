"""science differencing."""
