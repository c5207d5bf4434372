"""Labelling in the catalogue: events, queue, leases, labels, accounts, statistics."""
