"""science labelling."""
