"""Stars of one frame: found, and measured for position, flux, size and shape.

Measuring the PSF from them is in `psf`; their positions on the sky in `astrometry`.
"""
