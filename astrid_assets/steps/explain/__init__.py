"""Why there is a detection at a position, or why not: one answer per frame."""
