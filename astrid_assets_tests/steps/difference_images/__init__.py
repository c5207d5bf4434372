"""Tests of `steps/difference_images`."""
