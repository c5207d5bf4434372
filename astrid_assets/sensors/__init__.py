"""What starts runs by itself: thin sensors around decisions that are pure functions."""
