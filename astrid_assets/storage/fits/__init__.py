"""Frames, differences and cutouts as FITS, written and read by AstrID itself.

Other people's FITS files are read in `surveys.fits`.
"""
