"""Tests of the REST API: a real server, a real store, real files."""
