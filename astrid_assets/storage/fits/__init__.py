"""Frames, differences and cutouts as FITS, written and read by AstrID itself.

FITS files from elsewhere are read in `surveys.fits`.
"""
