"""science quality."""
