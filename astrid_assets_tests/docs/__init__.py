"""Tests of the documentation: it is complete, it builds, and its snippets run."""
