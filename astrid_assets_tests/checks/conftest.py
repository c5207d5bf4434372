"""A catalogue with a survey, and an instance that knows it."""
