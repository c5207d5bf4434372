"""Pixels that must not be trusted: defects, saturation, cosmic rays, trails, halos.

The names of the bits are in `science.mask_bits`; masks of differences and how they
grow are in `differencing`.
"""
