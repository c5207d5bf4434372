"""Calibration: overscan, masters, applying them, and the noise that is left."""
