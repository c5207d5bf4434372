"""Reading other people's FITS files: structure, headers, pixels, times, WCS.

What AstrID writes itself is read in `storage.fits`.
"""
