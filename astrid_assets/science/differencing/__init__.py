"""Subtracting a reference: ZOGY, the fitted kernel, and the noise of the difference.

Resampling is in `registration`, limits on what was measured in `quality`.
"""
