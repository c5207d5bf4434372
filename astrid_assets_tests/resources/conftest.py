"""A Dagster instance with a home of its own, and the services it can use instead."""
