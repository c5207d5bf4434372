"""Resampling an image to the pixel grid of another one, with its variance and mask.

Where the grids lie on the sky is found in `astrometry`.
"""
