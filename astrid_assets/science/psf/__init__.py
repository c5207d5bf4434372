"""Measuring the PSF of a frame from its stars, and judging how well it fits.

The model itself, `PsfModel`, is part of a frame (`science.frame`); fluxes measured
with it are in `stars.point_sources`.
"""
