"""How frames come in: the survey profile, its sources, and the reader of FITS files.

Files that AstrID writes are in `storage.fits`.
"""
