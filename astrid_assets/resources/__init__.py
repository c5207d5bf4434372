"""Builders of clients: configuration in, plain object out, one file per client."""
