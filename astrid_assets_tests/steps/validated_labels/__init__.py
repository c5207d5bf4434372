"""Tests of `steps/validated_labels`."""
