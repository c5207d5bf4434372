"""The WCS of a frame from its stars: patterns, matching, distortion, residuals.

Reading a WCS from a header is in `surveys.fits`; resampling in `registration`.
"""
