"""Artificial sources, and what they measure: completeness, errors, purity.

Whole simulated skies are in `simulation`.
"""
