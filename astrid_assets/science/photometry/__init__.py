"""Magnitudes: zero points, catalogues of the sky, fluxes at given positions.

Fluxes of stars with a PSF are in `stars.point_sources`.
"""
