"""Tests of storage: object store, catalogue, queries and FITS files."""
