"""Reading FITS files from elsewhere: structure, headers, pixels, times, WCS.

What AstrID writes itself is read in `storage.fits`.
"""
