"""Differences of a night: science minus reference, and the check by the other method."""
