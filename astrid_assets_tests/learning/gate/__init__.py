"""Tests of the gate before deployment."""
