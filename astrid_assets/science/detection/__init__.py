"""science detection."""
