"""Tests of frame quality."""
